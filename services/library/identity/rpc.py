"""RPCs of accounts."""

from dataclasses import dataclass

from soundwright.kit.messages import to_wire
from soundwright.kit.rpc import Context
from soundwright.kit.security.identity import Principal, Signer, api_token_id, require_principal
from soundwright.library.v1 import account_pb2, library_service_pb2_grpc
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.library.identity.account import Account
from soundwright.services.library.identity.account_deletions import AccountDeletions
from soundwright.services.library.identity.api_tokens import ApiTokens
from soundwright.services.library.identity.credentials import NO_PASSWORD, ApiToken, Session
from soundwright.services.library.identity.email_links import EmailLinks
from soundwright.services.library.identity.guests import Guests
from soundwright.services.library.identity.service import Accounts
from soundwright.services.library.identity.sessions import Sessions, Visit
from soundwright.services.library.paging import page_bounds

_PAGE_SIZE_LIMIT = 100


@dataclass(eq=False)
class AccountRpc(library_service_pb2_grpc.AccountServiceServicer):
    """Serves ``AccountService``."""

    accounts: Accounts
    guests: Guests
    sessions: Sessions
    tokens: ApiTokens
    email_links: EmailLinks
    deletions: AccountDeletions
    signer: Signer

    async def AuthenticateToken(
        self, request: pb.AuthenticateTokenRequest, context: Context
    ) -> pb.AuthenticateTokenResponse:
        account = await self.tokens.authenticate(request.token)
        principal = Principal(account.id, account.role, api_token_id=api_token_id(request.token))
        proof = self.signer.prove(principal, require_principal().component)
        return pb.AuthenticateTokenResponse(account=account_to_wire(account), proof=proof)

    async def AuthenticateSession(
        self, request: pb.AuthenticateSessionRequest, context: Context
    ) -> pb.AuthenticateSessionResponse:
        visit = Visit(request.ip_address, request.user_agent) if request.ip_address or request.user_agent else None
        opened = await self.sessions.authenticate(request.session_token, passive=request.passive, visit=visit)
        return pb.AuthenticateSessionResponse(
            account=account_to_wire(opened.account),
            remembered=opened.session.remembered,
            fresh=opened.fresh,
            renewed_session_token=opened.renewed_secret,
            session_id=opened.session.public_id,
        )

    async def Register(self, request: pb.RegisterRequest, context: Context) -> pb.RegisterResponse:
        confirmation = request.password_confirmation if request.HasField("password_confirmation") else None
        secret = await self.accounts.register(
            request.email,
            request.password,
            request.ip_address,
            confirmation,
            request.browser_key,
            request.session_token,
        )
        return pb.RegisterResponse(session_token=secret)

    async def CreateGuest(self, request: pb.CreateGuestRequest, context: Context) -> pb.CreateGuestResponse:
        secret, account = await self.guests.create(request.ip_address)
        return pb.CreateGuestResponse(session_token=secret, account=account_to_wire(account))

    async def CreateSession(self, request: pb.CreateSessionRequest, context: Context) -> pb.CreateSessionResponse:
        account = await self.accounts.verify_password(request.email, request.password, request.ip_address)
        secret = await self.sessions.open(account, request.remembered, request.ip_address)
        return pb.CreateSessionResponse(session_token=secret, account=account_to_wire(account))

    async def RequestLoginLink(
        self, request: pb.RequestLoginLinkRequest, context: Context
    ) -> pb.RequestLoginLinkResponse:
        await self.email_links.request_login(request.email, request.ip_address)
        return pb.RequestLoginLinkResponse()

    async def RedeemLoginLink(self, request: pb.RedeemLoginLinkRequest, context: Context) -> pb.RedeemLoginLinkResponse:
        secret, account = await self.email_links.log_in(request.link_token, request.remembered)
        return pb.RedeemLoginLinkResponse(session_token=secret, account=account_to_wire(account))

    async def ConfirmEmail(self, request: pb.ConfirmEmailRequest, context: Context) -> pb.ConfirmEmailResponse:
        before, account = await self.email_links.confirm(request.link_token, request.browser_key, request.session_token)
        removed = before.password_hash != NO_PASSWORD and account.password_hash == NO_PASSWORD
        return pb.ConfirmEmailResponse(account=account_to_wire(account), password_removed=removed)

    async def DeleteSession(self, request: pb.DeleteSessionRequest, context: Context) -> pb.DeleteSessionResponse:
        await self.sessions.close(request.session_token)
        return pb.DeleteSessionResponse()

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Context) -> pb.ListSessionsResponse:
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        sessions, total = await self.sessions.list_own(require_principal().id, offset, limit)
        return pb.ListSessionsResponse(sessions=[_session(session) for session in sessions], total_count=total)

    async def EndSession(self, request: pb.EndSessionRequest, context: Context) -> pb.EndSessionResponse:
        await self.sessions.end(require_principal().id, request.session_id)
        return pb.EndSessionResponse()

    async def EndOtherSessions(
        self, request: pb.EndOtherSessionsRequest, context: Context
    ) -> pb.EndOtherSessionsResponse:
        await self.sessions.end_others(require_principal().id, request.session_id)
        return pb.EndOtherSessionsResponse()

    async def ChangePassword(self, request: pb.ChangePasswordRequest, context: Context) -> pb.ChangePasswordResponse:
        secret = await self.accounts.change_password(
            request.session_token,
            request.current_password,
            request.new_password,
            request.revoke_api_tokens,
            request.ip_address,
            request.password_confirmation if request.HasField("password_confirmation") else None,
        )
        return pb.ChangePasswordResponse(session_token=secret)

    async def RequestEmailChange(
        self, request: pb.RequestEmailChangeRequest, context: Context
    ) -> pb.RequestEmailChangeResponse:
        await self.email_links.request_change(
            request.session_token, request.current_password, request.email, request.ip_address
        )
        return pb.RequestEmailChangeResponse()

    async def CloseAccount(self, request: pb.CloseAccountRequest, context: Context) -> pb.CloseAccountResponse:
        await self.deletions.delete(request.session_token, request.current_password, request.ip_address)
        return pb.CloseAccountResponse()

    async def ExchangePassword(
        self, request: pb.ExchangePasswordRequest, context: Context
    ) -> pb.ExchangePasswordResponse:
        account = await self.accounts.verify_password(request.email, request.password, request.ip_address)
        secret, token = await self.tokens.create(account, request.name, request.lifetime_days)
        return pb.ExchangePasswordResponse(secret=secret, api_token=_token(token))

    async def CreateApiToken(self, request: pb.CreateApiTokenRequest, context: Context) -> pb.CreateApiTokenResponse:
        secret, token = await self.tokens.create_for(require_principal().id, request.name, request.lifetime_days)
        return pb.CreateApiTokenResponse(secret=secret, api_token=_token(token))

    async def ListApiTokens(self, request: pb.ListApiTokensRequest, context: Context) -> pb.ListApiTokensResponse:
        tokens = await self.tokens.list_own(require_principal().id)
        return pb.ListApiTokensResponse(api_tokens=[_token(token) for token in tokens])

    async def DeleteApiToken(self, request: pb.DeleteApiTokenRequest, context: Context) -> pb.DeleteApiTokenResponse:
        await self.tokens.revoke(require_principal().id, request.api_token_id)
        return pb.DeleteApiTokenResponse()


def account_to_wire(account: Account) -> account_pb2.Account:
    return to_wire(account, account_pb2.Account)


def _session(session: Session) -> account_pb2.Session:
    return to_wire(session, account_pb2.Session, id=session.public_id)


def _token(token: ApiToken) -> account_pb2.ApiToken:
    return to_wire(token, account_pb2.ApiToken, id=token.public_id)
