"""Agents: chat and stored conversations."""

import asyncio
import json
import uuid
from enum import Enum
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, field_validator
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.analysis.v1 import agent_service_pb2 as pb
from soundwright.kit import errors
from soundwright.library.v1 import conversation_service_pb2 as conversation_pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import data, listing, page_links, shaped
from soundwright.services.gateway.dialects.forge.shapes import Data, Page
from soundwright.services.gateway.openapi.responses import Time, Uuid, documented
from soundwright.services.gateway.records import own_track
from soundwright.services.gateway.wire.parameters import (
    ConversationId,
    Cursor,
    PageNumber,
    PageSize,
    body_of,
    body_schema,
    require_uuid,
)

# Exceeds the timeouts of the language model and of the rules that replace it, together.
_CHAT_SECONDS = 120.0
_CHECK_SECONDS = 30.0
_TRACK_LIMIT = 40
_Status = Literal["healthy", "unauthorized", "unreachable", "not_configured"]
_STATUSES: dict[str, _Status] = {word: word for word in get_args(_Status)}
_TAGS: list[str | Enum] = ["forge agents"]


class ChatParameters(BaseModel):
    """A message to the agents."""

    message: str = Field(
        min_length=1,
        max_length=4000,
        description="Your question or request.",
        examples=["Which of my tracks mix well with this one?"],
    )
    conversation_id: str = Field("", max_length=64, description="Conversation to continue. Empty: start a new one.")
    track_id: str = Field("", max_length=64, description="The track that the message is about.")
    track_ids: list[Annotated[str, Field(max_length=64)]] = Field(
        default=[], max_length=_TRACK_LIMIT, description="The tracks that the message is about."
    )
    task: str = Field("", max_length=100, description="The agent to use, by its capability, such as `mix_planning`.")

    @field_validator("conversation_id", "track_id", "task", mode="before")
    @classmethod
    def _absent(cls, value: Any) -> Any:
        return "" if value is None else value

    @field_validator("track_ids", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return [] if value is None else value

    @field_validator("message")
    @classmethod
    def _not_blank(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("can't be blank")
        return value


class UsedTrack(TypedDict):
    """A track that an answer uses."""

    id: Uuid
    title: Annotated[str, Field(examples=["Blinding Lights"])]


class Suggestion(TypedDict):
    """Work that an answer suggests. `analysis`: `POST /api/analysis/analyze`; `separation`: `POST /api/processing/separate`."""

    work: Annotated[str, Field(description="`analysis` or `separation`.", examples=["analysis"])]
    track_id: Uuid
    title: Annotated[str | None, Field(description="The title of the track.", examples=["Blinding Lights"])]


class Message(TypedDict):
    """A message in a conversation."""

    id: Uuid
    role: Annotated[str, Field(description="`user` or `assistant`.", examples=["assistant"])]
    content: Annotated[str, Field(examples=["Three of your tracks fit: ..."])]
    agent: Annotated[str | None, Field(description="The agent that answered.", examples=["mix_planning"])]
    tracks: list[UsedTrack]
    suggestions: list[Suggestion]
    inserted_at: Time | None


class ConversationSummary(TypedDict):
    """A conversation, without its messages."""

    id: Uuid
    title: Annotated[str, Field(examples=["Which of my tracks mix well with this one?"])]
    track_id: Uuid | None
    message_count: Annotated[int, Field(ge=0, examples=[2])]
    inserted_at: Time | None
    updated_at: Time | None


class Conversation(ConversationSummary):
    """A conversation with its messages, oldest first."""

    messages: list[Message]


class Usage(TypedDict):
    """Tokens that the language model consumed and produced. 0 if no model was used."""

    input_tokens: Annotated[int, Field(ge=0, examples=[812])]
    output_tokens: Annotated[int, Field(ge=0, examples=[96])]
    total_tokens: Annotated[int, Field(ge=0, examples=[908])]


class Reply(TypedDict):
    """The answer of an agent, with details about how it was produced."""

    conversation_id: Uuid
    message: Message
    agent: Annotated[str, Field(examples=["mix_planning"])]
    content: Annotated[str, Field(examples=["Three of your tracks fit: ..."])]
    data: Annotated[
        dict[str, Any],
        Field(
            description="`engine`, `model`, `degraded`, `degraded_reason`, and `tools`: the tool calls and their results.",
            examples=[{"engine": "rules", "degraded": True, "tools": [{"name": "find_tracks", "ok": True}]}],
        ),
    ]
    usage: Usage
    tokens_used: Annotated[int, Field(ge=0, examples=[908])]


class Provider(TypedDict):
    """A language model provider and the result of a test request."""

    name: Annotated[str, Field(examples=["llm"])]
    url_host: Annotated[str | None, Field(examples=["api.example.com"])]
    model: Annotated[str | None, Field(examples=["small-1"])]
    status: _Status
    detail: Annotated[str | None, Field(description="What to do about the problem.")]
    latency_ms: Annotated[int | None, Field(examples=[310])]
    checked_at: Time | None


class Providers(TypedDict):
    providers: list[Provider]


def agent_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api")
    clients = gateway.clients

    @router.post("/agents/chat", tags=_TAGS, openapi_extra=body_schema(ChatParameters))
    @access(Access.ACCOUNT, RateClass.HEAVY)
    @documented(
        Data[Reply],
        errors.TRACK_NOT_FOUND,
        errors.CONVERSATION_NOT_FOUND,
        errors.CONVERSATION_FULL,
        errors.VALIDATION_ERROR,
    )
    async def chat(parameters: Annotated[ChatParameters, Depends(body_of(ChatParameters))]) -> Response:
        """Send a message to the agents about your music.

        Answers are based on your tracks. ``data.tools`` lists the tool calls and their results.
        """
        named = [*([parameters.track_id] if parameters.track_id else []), *parameters.track_ids]
        tracks = await asyncio.gather(*(own_track(clients, track_id) for track_id in dict.fromkeys(named)))
        conversation_id = parameters.conversation_id
        answer = await clients.agents.Chat(
            pb.ChatRequest(
                turn_id=str(uuid.uuid4()),
                message=parameters.message,
                conversation_id=require_uuid(conversation_id, errors.CONVERSATION_NOT_FOUND) if conversation_id else "",
                track_ids=[track.id for track in tracks],
                task=parameters.task,
            ),
            timeout=_CHAT_SECONDS,
        )
        usage: Usage = {
            "input_tokens": answer.input_token_count,
            "output_tokens": answer.output_token_count,
            "total_tokens": answer.input_token_count + answer.output_token_count,
        }
        body: Reply = {
            "conversation_id": answer.conversation.id,
            "message": message_to_wire(answer.answer),
            "agent": answer.answer.agent,
            "content": answer.answer.content,
            "data": json.loads(answer.data_json),
            "usage": usage,
            "tokens_used": usage["total_tokens"],
        }
        return data(body)

    @router.get("/agents/conversations", tags=_TAGS)
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Page[list[ConversationSummary]], errors.VALIDATION_ERROR, headers=("Link",))
    async def list_conversations(
        request: Request, page: PageNumber = 1, page_size: PageSize = 20, cursor: Cursor = ""
    ) -> Response:
        """List your conversations, most recently updated first."""
        answer = await clients.conversations.ListConversations(
            conversation_pb.ListConversationsRequest(page=page, page_size=page_size, page_token=cursor)
        )
        listed = [conversation_to_wire(conversation) for conversation in answer.conversations]
        return listing(listed, page, page_size, answer.total_count, page_links(request.url, page, page_size, answer))

    @router.get("/agents/conversations/{conversation_id}", tags=_TAGS)
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[Conversation], errors.CONVERSATION_NOT_FOUND)
    async def get_conversation(conversation_id: ConversationId) -> Response:
        """Get a conversation with its messages, oldest first."""
        answer = await clients.conversations.GetConversation(
            conversation_pb.GetConversationRequest(conversation_id=conversation_id)
        )
        messages = [message_to_wire(message) for message in answer.messages]
        return data({**conversation_to_wire(answer.conversation), "messages": messages})

    @router.delete("/agents/conversations/{conversation_id}", tags=_TAGS)
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(None, errors.CONVERSATION_NOT_FOUND, status=204)
    async def delete_conversation(conversation_id: ConversationId) -> Response:
        """Delete a conversation and its messages."""
        await clients.conversations.DeleteConversation(
            conversation_pb.DeleteConversationRequest(conversation_id=conversation_id)
        )
        return Response(status_code=204)

    @router.get("/admin/llm/health", tags=["forge admin"])
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[Providers], errors.ROLE_TOO_LOW)
    async def check_language_models() -> Response:
        """Test the language model of the agents with a short request."""
        answer = await clients.agents.CheckProviders(pb.CheckProvidersRequest(), timeout=_CHECK_SECONDS)
        return data({"providers": [_provider_to_wire(provider) for provider in answer.providers]})

    return router


def message_to_wire(message: conversation_pb.ConversationMessage) -> Message:
    return shaped(message, Message, tracks=[{"id": track.track_id, "title": track.title} for track in message.tracks])


def conversation_to_wire(conversation: conversation_pb.Conversation) -> ConversationSummary:
    return shaped(conversation, ConversationSummary)


def _provider_to_wire(provider: pb.Provider) -> Provider:
    latency_ms = round(1000 * provider.latency_seconds) if provider.HasField("latency_seconds") else None
    return shaped(provider, Provider, status=_STATUSES.get(provider.status, "unreachable"), latency_ms=latency_ms)
