# SPDX-License-Identifier: MIT
"""What many write themselves: a gateway of FastAPI and httpx, for make bench."""
import os

import httpx
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import Response, StreamingResponse

MODELS = {"planner": os.environ["UPSTREAM"]}
KEYS = {os.environ["BENCH_KEY"]}
app = FastAPI()
client = httpx.AsyncClient(limits=httpx.Limits(max_connections=None), timeout=None)


@app.post("/v1/chat/completions")
async def chat(request: Request):
    if request.headers.get("authorization", "")[7:] not in KEYS:
        raise HTTPException(401)
    body = {"top_p": 0.9, **await request.json()}
    if body.get("model") not in MODELS:
        raise HTTPException(404)
    url = MODELS[body["model"]] + "/v1/chat/completions"
    call = client.build_request("POST", url, json=body)
    answer = await client.send(call, stream=True)
    kind = answer.headers.get("content-type")
    if body.get("stream"):
        return StreamingResponse(answer.aiter_raw(), answer.status_code, media_type=kind)
    return Response(await answer.aread(), answer.status_code, media_type=kind)
