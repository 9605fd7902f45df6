"""RPCs of conversations."""

from soundwright.kit.messages import from_wire, to_wire
from soundwright.kit.rpc import Context
from soundwright.kit.security.identity import require_principal
from soundwright.library.v1 import conversation_service_pb2 as pb
from soundwright.library.v1 import conversation_service_pb2_grpc
from soundwright.services.library.conversations.service import (
    Conversation,
    Conversations,
    SuggestedWork,
    TrackReference,
    Turn,
)
from soundwright.services.library.paging import page_request, page_to_wire

_PAGE_SIZE_LIMIT = 100


class ConversationRpc(conversation_service_pb2_grpc.ConversationServiceServicer):
    """Serves ``ConversationService``."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def AppendTurn(self, request: pb.AppendTurnRequest, context: Context) -> pb.AppendTurnResponse:
        turn = Turn(
            request.turn_id,
            request.question,
            request.answer,
            request.agent,
            [from_wire(each, TrackReference) for each in request.tracks],
            [from_wire(each, SuggestedWork) for each in request.suggestions],
        )
        conversation, answer = await self._conversations.append(
            require_principal(), request.conversation_id, request.track_id, turn
        )
        return pb.AppendTurnResponse(
            conversation=await self._counted(conversation), answer=to_wire(answer, pb.ConversationMessage)
        )

    async def GetConversation(self, request: pb.GetConversationRequest, context: Context) -> pb.GetConversationResponse:
        conversation, messages = await self._conversations.get(
            require_principal(), request.conversation_id, max(0, request.message_limit)
        )
        return pb.GetConversationResponse(
            conversation=await self._counted(conversation),
            messages=[to_wire(message, pb.ConversationMessage) for message in messages],
        )

    async def ListConversations(
        self, request: pb.ListConversationsRequest, context: Context
    ) -> pb.ListConversationsResponse:
        page = await self._conversations.list_own(require_principal(), page_request(request, _PAGE_SIZE_LIMIT))
        listed = [await self._counted(conversation) for conversation in page.entries]
        return pb.ListConversationsResponse(conversations=listed, **page_to_wire(page))

    async def DeleteConversation(
        self, request: pb.DeleteConversationRequest, context: Context
    ) -> pb.DeleteConversationResponse:
        await self._conversations.delete(require_principal(), request.conversation_id)
        return pb.DeleteConversationResponse()

    async def _counted(self, conversation: Conversation) -> pb.Conversation:
        return _conversation(conversation, await self._conversations.count(conversation.id))


def _conversation(conversation: Conversation, message_count: int) -> pb.Conversation:
    wire = to_wire(conversation, pb.Conversation)
    wire.message_count = message_count
    return wire
