/* SPDX-License-Identifier: MIT */
/* model_order.h - what an order to a node's agent holds, for who ends requests.
 */
#ifndef GW_ENDPOINT_MODEL_ORDER_H
#define GW_ENDPOINT_MODEL_ORDER_H

struct gw_model_order;

/* gw_model_order_free - the agent's answer is not waited for any more. NULL is
 * allowed. */
void gw_model_order_free(struct gw_model_order *o);

#endif
