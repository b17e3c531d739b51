/* SPDX-License-Identifier: MIT */
/* port.h - a TCP port on 127.0.0.1 for one llama-server, and for it alone. */
#ifndef AG_MODEL_PORT_H
#define AG_MODEL_PORT_H

/*
 * ag_port_take - is 127.0.0.1:@port free, and no other agent's?
 * llama-server cannot use a stranger's port, or, where it sets SO_REUSEPORT,
 * shares one without noticing: so it is tried before each start, without that
 * option. Who took it afterwards is seen later (listening.h). A llama-server that is being started
 * does not listen yet: until it does, and as long as it runs, a name that one
 * process of a host can have keeps the agents of one host apart.
 * Returns a descriptor that holds that name; closing it, or the end of this
 * process, gives the port back. -1: it is taken. Does not block.
 */
int ag_port_take(unsigned port);

#endif
