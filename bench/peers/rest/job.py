"""A model behind REST, as FastAPI's documentation has it: PORT MODEL."""

import pickle
import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Features(BaseModel):
    total: float
    mean: float


def main(port: str, path: str) -> None:
    with open(path, "rb") as file:
        model = pickle.load(file)
    app = FastAPI()

    @app.post("/predict")
    def predict(row: Features) -> dict[str, int]:
        return {"shaking": int(model.predict([[row.total, row.mean]])[0])}

    uvicorn.run(app, port=int(port), log_level="error")


if __name__ == "__main__":
    main(*sys.argv[1:])
