"""RPCs of webhooks and their deliveries."""

from soundwright.kit.messages import time_to_wire, to_wire
from soundwright.kit.rpc import Context
from soundwright.kit.security.identity import require_principal
from soundwright.library.v1 import webhook_service_pb2 as pb
from soundwright.library.v1 import webhook_service_pb2_grpc
from soundwright.services.library.paging import page_bounds
from soundwright.services.library.webhooks.deliveries import Deliveries
from soundwright.services.library.webhooks.dispatcher import WebhookDispatcher
from soundwright.services.library.webhooks.records import Delivery, Webhook
from soundwright.services.library.webhooks.service import Webhooks

_PAGE_SIZE_LIMIT = 100


class WebhookRpc(webhook_service_pb2_grpc.WebhookServiceServicer):
    """Serves ``WebhookService``."""

    def __init__(self, webhooks: Webhooks, deliveries: Deliveries, dispatcher: WebhookDispatcher) -> None:
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._dispatcher = dispatcher

    async def CreateWebhook(self, request: pb.CreateWebhookRequest, context: Context) -> pb.CreateWebhookResponse:
        webhook, secret = await self._webhooks.create(
            require_principal(), request.url, request.events, request.description
        )
        return pb.CreateWebhookResponse(webhook=_webhook(webhook), secret=secret)

    async def GetWebhook(self, request: pb.GetWebhookRequest, context: Context) -> pb.GetWebhookResponse:
        webhook = await self._webhooks.get(require_principal(), request.webhook_id)
        return pb.GetWebhookResponse(webhook=_webhook(webhook))

    async def ListWebhooks(self, request: pb.ListWebhooksRequest, context: Context) -> pb.ListWebhooksResponse:
        webhooks = await self._webhooks.list_own(require_principal())
        return pb.ListWebhooksResponse(webhooks=[_webhook(webhook) for webhook in webhooks])

    async def UpdateWebhook(self, request: pb.UpdateWebhookRequest, context: Context) -> pb.UpdateWebhookResponse:
        webhook = await self._webhooks.update(
            require_principal(),
            request.webhook_id,
            url=request.url if request.HasField("url") else None,
            events=request.events,
            description=request.description if request.HasField("description") else None,
            enabled=request.enabled if request.HasField("enabled") else None,
        )
        return pb.UpdateWebhookResponse(webhook=_webhook(webhook))

    async def DeleteWebhook(self, request: pb.DeleteWebhookRequest, context: Context) -> pb.DeleteWebhookResponse:
        await self._webhooks.delete(require_principal(), request.webhook_id)
        return pb.DeleteWebhookResponse()

    async def RotateWebhookSecret(
        self, request: pb.RotateWebhookSecretRequest, context: Context
    ) -> pb.RotateWebhookSecretResponse:
        webhook, secret = await self._webhooks.rotate_secret(require_principal(), request.webhook_id)
        return pb.RotateWebhookSecretResponse(
            webhook=_webhook(webhook), secret=secret, previous_expire_time=time_to_wire(webhook.previous_expire_time)
        )

    async def TestWebhook(self, request: pb.TestWebhookRequest, context: Context) -> pb.TestWebhookResponse:
        delivery = await self._deliveries.send_test(require_principal(), request.webhook_id)
        self._dispatcher.wake_up()
        return pb.TestWebhookResponse(delivery=_delivery(delivery))

    async def ListWebhookDeliveries(
        self, request: pb.ListWebhookDeliveriesRequest, context: Context
    ) -> pb.ListWebhookDeliveriesResponse:
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        deliveries, total = await self._deliveries.list_deliveries(
            require_principal(), request.webhook_id, offset, limit
        )
        return pb.ListWebhookDeliveriesResponse(
            deliveries=[_delivery(delivery) for delivery in deliveries], total_count=total
        )

    async def ReplayWebhookDelivery(
        self, request: pb.ReplayWebhookDeliveryRequest, context: Context
    ) -> pb.ReplayWebhookDeliveryResponse:
        delivery = await self._deliveries.replay(require_principal(), request.webhook_delivery_id)
        self._dispatcher.wake_up()
        return pb.ReplayWebhookDeliveryResponse(delivery=_delivery(delivery))


def _webhook(webhook: Webhook) -> pb.Webhook:
    return to_wire(webhook, pb.Webhook)


def _delivery(delivery: Delivery) -> pb.WebhookDelivery:
    return to_wire(delivery, pb.WebhookDelivery)
