"""Webhooks: endpoints, their secrets, what was sent to them."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from soundwright.library.v1 import webhook_service_pb2 as pb
from starlette.responses import Response

from services.gateway.clients import Gateway
from services.gateway.forge.tracks import PageNumber, PageSize
from services.gateway.forge.wire import data, listing, time_to_wire
from services.gateway.params import body_of, body_schema, require_uuid

__all__ = ["webhook_routes"]

_STATUSES = {
    pb.WEBHOOK_DELIVERY_STATUS_PENDING: "pending",
    pb.WEBHOOK_DELIVERY_STATUS_DELIVERED: "delivered",
    pb.WEBHOOK_DELIVERY_STATUS_FAILED: "failed",
}
_EVENTS = "job.completed, job.failed, ping; or * alone for all of them, which is the default"


class WebhookParameters(BaseModel):
    """Where to send what."""

    url: str = Field(min_length=1, max_length=2000, description="https address of your endpoint")
    events: list[str] | None = Field(None, min_length=1, max_length=10, description=_EVENTS)
    description: str = Field("", max_length=200)


class WebhookChanges(BaseModel):
    """What to change; what is left out stays."""

    url: str | None = Field(None, min_length=1, max_length=2000, description="https address of your endpoint")
    events: list[str] | None = Field(None, min_length=1, max_length=10, description=_EVENTS)
    description: str | None = Field(None, max_length=200)
    enabled: bool | None = Field(None, description="false: nothing is sent; true: begin anew")


def webhook_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/webhooks", tags=["webhooks"])
    webhooks = gateway.clients.webhooks

    @router.post("", openapi_extra=body_schema(WebhookParameters), status_code=201)
    async def create(parameters: Annotated[WebhookParameters, Depends(body_of(WebhookParameters))]) -> Response:
        """Register an endpoint that is told when your jobs end. Its secret, which signs, is shown this once."""
        created = await webhooks.CreateWebhook(
            pb.CreateWebhookRequest(
                url=parameters.url, events=parameters.events or [], description=parameters.description
            )
        )
        return data({**_webhook_to_wire(created.webhook), "secret": created.secret}, 201)

    @router.get("")
    async def list_webhooks() -> Response:
        """Your endpoints, oldest first, without their secrets."""
        answer = await webhooks.ListWebhooks(pb.ListWebhooksRequest())
        return data([_webhook_to_wire(webhook) for webhook in answer.webhooks])

    @router.post("/deliveries/{delivery_id}/replay", status_code=202)
    async def replay(delivery_id: str) -> Response:
        """Send a message again, with the same id."""
        request = pb.ReplayWebhookDeliveryRequest(webhook_delivery_id=require_uuid(delivery_id, "delivery"))
        return data(_delivery_to_wire((await webhooks.ReplayWebhookDelivery(request)).delivery), 202)

    @router.get("/{webhook_id}")
    async def get_webhook(webhook_id: str) -> Response:
        """One endpoint, and since when it fails, if it does."""
        answer = await webhooks.GetWebhook(pb.GetWebhookRequest(webhook_id=require_uuid(webhook_id, "webhook")))
        return data(_webhook_to_wire(answer.webhook))

    @router.patch("/{webhook_id}", openapi_extra=body_schema(WebhookChanges))
    async def update(webhook_id: str, changes: Annotated[WebhookChanges, Depends(body_of(WebhookChanges))]) -> Response:
        """Change an endpoint, disable it, or enable it again."""
        answer = await webhooks.UpdateWebhook(
            pb.UpdateWebhookRequest(
                webhook_id=require_uuid(webhook_id, "webhook"),
                url=changes.url,
                events=changes.events or [],
                description=changes.description,
                enabled=changes.enabled,
            )
        )
        return data(_webhook_to_wire(answer.webhook))

    @router.delete("/{webhook_id}", status_code=204)
    async def delete(webhook_id: str) -> Response:
        """Remove an endpoint and the log of its deliveries."""
        await webhooks.DeleteWebhook(pb.DeleteWebhookRequest(webhook_id=require_uuid(webhook_id, "webhook")))
        return Response(status_code=204)

    @router.post("/{webhook_id}/secret")
    async def rotate_secret(webhook_id: str) -> Response:
        """A new secret, shown this once. For a day the old one signs beside it."""
        request = pb.RotateWebhookSecretRequest(webhook_id=require_uuid(webhook_id, "webhook"))
        rotated = await webhooks.RotateWebhookSecret(request)
        expires = time_to_wire(rotated, "previous_expire_time")
        return data(
            {**_webhook_to_wire(rotated.webhook), "secret": rotated.secret, "previous_secret_expires_at": expires}
        )

    @router.post("/{webhook_id}/test", status_code=202)
    async def test(webhook_id: str) -> Response:
        """Send a ping to an endpoint."""
        answer = await webhooks.TestWebhook(pb.TestWebhookRequest(webhook_id=require_uuid(webhook_id, "webhook")))
        return data(_delivery_to_wire(answer.delivery), 202)

    @router.get("/{webhook_id}/deliveries")
    async def list_deliveries(webhook_id: str, page: PageNumber = 1, page_size: PageSize = 20) -> Response:
        """What was sent to an endpoint and how it went, newest first."""
        answer = await webhooks.ListWebhookDeliveries(
            pb.ListWebhookDeliveriesRequest(
                webhook_id=require_uuid(webhook_id, "webhook"), page=page, page_size=page_size
            )
        )
        return listing(
            [_delivery_to_wire(delivery) for delivery in answer.deliveries], page, page_size, answer.total_count
        )

    return router


def _webhook_to_wire(webhook: pb.Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": list(webhook.events),
        "description": webhook.description,
        "enabled": webhook.enabled,
        "disabled_reason": webhook.disabled_reason or None,
        "failing_since": time_to_wire(webhook, "fail_time"),
        "created_at": time_to_wire(webhook, "create_time"),
        "updated_at": time_to_wire(webhook, "update_time"),
    }


def _delivery_to_wire(delivery: pb.WebhookDelivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "webhook_id": delivery.webhook_id,
        "message_id": delivery.message_id,
        "event": delivery.event,
        "status": _STATUSES[delivery.status],
        "attempts": delivery.attempt_count,
        "response_code": delivery.response_status or None,
        "response_body": delivery.response_body or None,
        "duration_seconds": round(delivery.duration_seconds, 3) if delivery.HasField("attempt_time") else None,
        "error": delivery.error or None,
        "payload": json.loads(delivery.body),
        "created_at": time_to_wire(delivery, "create_time"),
        "last_attempt_at": time_to_wire(delivery, "attempt_time"),
        "next_attempt_at": time_to_wire(delivery, "due_time"),
    }
