"""Where the embedded stack listens and how long it may take to start."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

HOST = "127.0.0.1"  # never anything else: the embedded stack is for one machine and its own user


class StackSettings(BaseSettings):
    """`STACK_*`: the embedded stack. Ports given at a start are remembered in its env file."""

    model_config = SettingsConfigDict(env_prefix="STACK_", extra="ignore")

    api_port: int = Field(8081, ge=1, le=65535)
    airflow_port: int = Field(8080, ge=1, le=65535)
    mlflow_port: int = Field(5000, ge=1, le=65535)
    postgres_port: int = Field(5433, ge=1, le=65535)
    s3_port: int = Field(9000, ge=1, le=65535)
    worker_port: int = Field(8083, ge=1, le=65535, description="Of the worker's metrics.")
    start_timeout_s: float = Field(180, gt=0, description="How long each server may take until it answers.")
