"""Webhooks: endpoints, their secrets and their deliveries."""

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.library.v1 import webhook_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import data, listing, shaped, time_to_wire
from soundwright.services.gateway.dialects.forge.shapes import Data, Page
from soundwright.services.gateway.openapi.responses import Time, Uuid, documented
from soundwright.services.gateway.wire.parameters import (
    DeliveryId,
    PageNumber,
    PageSize,
    WebhookId,
    body_of,
    body_schema,
)

_Status = Literal["pending", "delivered", "failed"]
_STATUSES: dict[pb.WebhookDeliveryStatus.ValueType, _Status] = {
    pb.WEBHOOK_DELIVERY_STATUS_PENDING: "pending",
    pb.WEBHOOK_DELIVERY_STATUS_DELIVERED: "delivered",
    pb.WEBHOOK_DELIVERY_STATUS_FAILED: "failed",
}
_URL = "https://hooks.example.com/soundwright"
_EVENTS = "Events to send: `job.completed`, `job.failed` and `ping`, or only `*` for all events. Default: `*`."


class WebhookParameters(BaseModel):
    """An endpoint and its events."""

    url: str = Field(min_length=1, max_length=2000, description="The HTTPS URL of your endpoint.", examples=[_URL])
    events: list[str] | None = Field(
        None, min_length=1, max_length=10, description=_EVENTS, examples=[["job.completed", "job.failed"]]
    )
    description: str = Field("", max_length=200, description="A description for yourself.")


class WebhookChanges(BaseModel):
    """Changes to an endpoint. Omitted fields do not change."""

    url: str | None = Field(None, min_length=1, max_length=2000, description="The HTTPS URL of your endpoint.")
    events: list[str] | None = Field(None, min_length=1, max_length=10, description=_EVENTS)
    description: str | None = Field(None, max_length=200, description="A description for yourself.")
    enabled: bool | None = Field(
        None, description="False stops deliveries. True resumes them with new events.", examples=[True]
    )


class Webhook(TypedDict):
    """A webhook endpoint."""

    id: Uuid
    url: Annotated[str, Field(examples=[_URL])]
    events: Annotated[list[str], Field(description=_EVENTS, examples=[["job.completed", "job.failed"]])]
    description: Annotated[str, Field(examples=["studio"])]
    enabled: Annotated[bool, Field(examples=[True])]
    disabled_reason: str | None
    failing_since: Time | None
    created_at: Time | None
    updated_at: Time | None


_Secret = Annotated[
    str,
    Field(
        description="The signing secret. It is returned only once.", examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]
    ),
]


class NewWebhook(Webhook):
    """A webhook endpoint with its signing secret."""

    secret: _Secret


class RotatedWebhook(NewWebhook):
    """A webhook endpoint with its new signing secret."""

    previous_secret_expires_at: Time | None


class Delivery(TypedDict):
    """A message to an endpoint, and the result of its latest attempt."""

    id: Uuid
    webhook_id: Uuid
    message_id: Annotated[str, Field(examples=["msg_0f8fad5bd9cb469fa16570867728950e"])]
    event: Annotated[str, Field(examples=["job.completed"])]
    status: Annotated[_Status, Field(examples=["delivered"])]
    attempts: Annotated[int, Field(ge=0, examples=[1])]
    response_code: Annotated[int | None, Field(examples=[204])]
    response_body: Annotated[str | None, Field(description="The beginning of the response body.")]
    duration_seconds: Annotated[float | None, Field(examples=[0.132])]
    error: str | None
    payload: Annotated[dict[str, Any], Field(examples=[{"type": "job.completed", "data": {}}])]
    created_at: Time | None
    last_attempt_at: Time | None
    next_attempt_at: Time | None


_WRONG_ADDRESS = (errors.VALIDATION_ERROR, errors.ADDRESS_REFUSED)


def webhook_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/webhooks", tags=["forge webhooks"])
    webhooks = gateway.clients.webhooks

    @router.post("", openapi_extra=body_schema(WebhookParameters))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[NewWebhook], errors.WEBHOOK_LIMIT, errors.REGISTRATION_NEEDED, *_WRONG_ADDRESS, status=201)
    async def create_webhook(parameters: Annotated[WebhookParameters, Depends(body_of(WebhookParameters))]) -> Response:
        """Create a webhook endpoint, which is notified when your jobs end.

        Messages are signed with the secret. It is returned only once.
        """
        created = await webhooks.CreateWebhook(
            pb.CreateWebhookRequest(
                url=parameters.url, events=parameters.events or [], description=parameters.description
            )
        )
        made: NewWebhook = {**webhook_to_wire(created.webhook), "secret": created.secret}
        return data(made, 201)

    @router.get("")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[list[Webhook]])
    async def list_webhooks() -> Response:
        """List your webhook endpoints, oldest first, without their secrets."""
        answer = await webhooks.ListWebhooks(pb.ListWebhooksRequest())
        return data([webhook_to_wire(webhook) for webhook in answer.webhooks])

    @router.post("/deliveries/{delivery_id}/replay")
    @access(Access.ACCOUNT, RateClass.HEAVY)
    @documented(
        Data[Delivery], errors.DELIVERY_NOT_FOUND, errors.WEBHOOK_DISABLED, errors.DELIVERY_UNDERWAY, status=202
    )
    async def replay_delivery(delivery_id: DeliveryId) -> Response:
        """Send a message again, with the same message ID."""
        request = pb.ReplayWebhookDeliveryRequest(webhook_delivery_id=delivery_id)
        return data(_delivery_to_wire((await webhooks.ReplayWebhookDelivery(request)).delivery), 202)

    @router.get("/{webhook_id}")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[Webhook], errors.WEBHOOK_NOT_FOUND)
    async def get_webhook(webhook_id: WebhookId) -> Response:
        """Get a webhook endpoint. ``failing_since`` is set while its deliveries fail."""
        answer = await webhooks.GetWebhook(pb.GetWebhookRequest(webhook_id=webhook_id))
        return data(webhook_to_wire(answer.webhook))

    @router.patch("/{webhook_id}", openapi_extra=body_schema(WebhookChanges))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[Webhook], errors.WEBHOOK_NOT_FOUND, *_WRONG_ADDRESS)
    async def update_webhook(
        webhook_id: WebhookId, changes: Annotated[WebhookChanges, Depends(body_of(WebhookChanges))]
    ) -> Response:
        """Change, disable or enable a webhook endpoint."""
        answer = await webhooks.UpdateWebhook(
            pb.UpdateWebhookRequest(
                webhook_id=webhook_id,
                url=changes.url,
                events=changes.events or [],
                description=changes.description,
                enabled=changes.enabled,
            )
        )
        return data(webhook_to_wire(answer.webhook))

    @router.delete("/{webhook_id}")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(None, errors.WEBHOOK_NOT_FOUND, status=204)
    async def delete_webhook(webhook_id: WebhookId) -> Response:
        """Delete a webhook endpoint and its delivery log."""
        await webhooks.DeleteWebhook(pb.DeleteWebhookRequest(webhook_id=webhook_id))
        return Response(status_code=204)

    @router.post("/{webhook_id}/secret")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[RotatedWebhook], errors.WEBHOOK_NOT_FOUND)
    async def rotate_webhook_secret(webhook_id: WebhookId) -> Response:
        """Replace the signing secret of an endpoint. The new secret is returned only once.

        For 24 hours, messages are signed with both the old and the new secret.
        """
        request = pb.RotateWebhookSecretRequest(webhook_id=webhook_id)
        rotated = await webhooks.RotateWebhookSecret(request)
        body: RotatedWebhook = {
            **webhook_to_wire(rotated.webhook),
            "secret": rotated.secret,
            "previous_secret_expires_at": time_to_wire(rotated, "previous_expire_time"),
        }
        return data(body)

    @router.post("/{webhook_id}/test")
    @access(Access.ACCOUNT, RateClass.HEAVY)
    @documented(Data[Delivery], errors.WEBHOOK_NOT_FOUND, errors.WEBHOOK_DISABLED, status=202)
    async def test_webhook(webhook_id: WebhookId) -> Response:
        """Send a ``ping`` event to an endpoint."""
        answer = await webhooks.TestWebhook(pb.TestWebhookRequest(webhook_id=webhook_id))
        return data(_delivery_to_wire(answer.delivery), 202)

    @router.get("/{webhook_id}/deliveries")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Page[list[Delivery]], errors.WEBHOOK_NOT_FOUND, errors.VALIDATION_ERROR)
    async def list_deliveries(webhook_id: WebhookId, page: PageNumber = 1, page_size: PageSize = 20) -> Response:
        """List the deliveries of an endpoint, newest first."""
        answer = await webhooks.ListWebhookDeliveries(
            pb.ListWebhookDeliveriesRequest(webhook_id=webhook_id, page=page, page_size=page_size)
        )
        return listing(
            [_delivery_to_wire(delivery) for delivery in answer.deliveries], page, page_size, answer.total_count
        )

    return router


def webhook_to_wire(webhook: pb.Webhook) -> Webhook:
    return shaped(webhook, Webhook)


def _delivery_to_wire(delivery: pb.WebhookDelivery) -> Delivery:
    return shaped(
        delivery,
        Delivery,
        status=_STATUSES[delivery.status],
        attempts=delivery.attempt_count,
        response_code=delivery.response_status or None,
        duration_seconds=round(delivery.duration_seconds, 3) if delivery.HasField("attempt_time") else None,
        payload=json.loads(delivery.body),
    )
