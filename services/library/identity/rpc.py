"""RPCs of accounts and their administration."""

from __future__ import annotations

from soundwright.library.v1 import account_pb2, job_pb2, library_service_pb2_grpc
from soundwright.library.v1 import library_service_pb2 as pb

from kit.rpc import Context
from kit.security.identity import Principal, Signer, require_principal
from services.library.identity.account import Account
from services.library.identity.administration import Administration
from services.library.identity.api_tokens import ApiTokens
from services.library.identity.credentials import NO_PASSWORD, ApiToken, Session
from services.library.identity.email_links import EmailLinks
from services.library.identity.guests import Guests
from services.library.identity.service import Accounts
from services.library.identity.sessions import Sessions, Visit
from services.library.identity.store import IdentityStore
from services.library.jobs.rpc import listed_job_to_wire
from services.library.jobs.store import JobDocs
from services.library.serializers import page_bounds, time_to_wire, to_wire

__all__ = ["AccountRpc", "AdminRpc"]

_PAGE_SIZE_LIMIT = 100


class AccountRpc(library_service_pb2_grpc.AccountServiceServicer):
    """Serves ``AccountService``."""

    def __init__(
        self,
        accounts: Accounts,
        guests: Guests,
        sessions: Sessions,
        tokens: ApiTokens,
        email_links: EmailLinks,
        signer: Signer,
    ) -> None:
        self._signer = signer
        self._guests = guests
        self._accounts = accounts
        self._sessions = sessions
        self._tokens = tokens
        self._email_links = email_links

    async def AuthenticateToken(
        self, request: pb.AuthenticateTokenRequest, context: Context
    ) -> pb.AuthenticateTokenResponse:
        account = await self._tokens.authenticate(request.token)
        proof = self._signer.prove(Principal(account.id, account.role), require_principal().component)
        return pb.AuthenticateTokenResponse(account=_account(account), proof=proof)

    async def AuthenticateSession(
        self, request: pb.AuthenticateSessionRequest, context: Context
    ) -> pb.AuthenticateSessionResponse:
        visit = Visit(request.ip_address, request.user_agent) if request.ip_address or request.user_agent else None
        opened = await self._sessions.authenticate(request.session_token, passive=request.passive, visit=visit)
        return pb.AuthenticateSessionResponse(
            account=_account(opened.account),
            remembered=opened.session.remembered,
            fresh=opened.fresh,
            renewed_session_token=opened.renewed_secret,
            session_id=opened.session.public_id,
        )

    async def Register(self, request: pb.RegisterRequest, context: Context) -> pb.RegisterResponse:
        confirmation = request.password_confirmation if request.HasField("password_confirmation") else None
        secret = await self._accounts.register(
            request.email,
            request.password,
            request.ip_address,
            confirmation,
            request.browser_key,
            request.session_token,
        )
        return pb.RegisterResponse(session_token=secret)

    async def CreateGuest(self, request: pb.CreateGuestRequest, context: Context) -> pb.CreateGuestResponse:
        secret, account = await self._guests.create(request.ip_address)
        return pb.CreateGuestResponse(session_token=secret, account=_account(account))

    async def CreateSession(self, request: pb.CreateSessionRequest, context: Context) -> pb.CreateSessionResponse:
        account = await self._accounts.verify_password(request.email, request.password, request.ip_address)
        secret = await self._sessions.open(account, request.remembered, request.ip_address)
        return pb.CreateSessionResponse(session_token=secret, account=_account(account))

    async def RequestLoginLink(
        self, request: pb.RequestLoginLinkRequest, context: Context
    ) -> pb.RequestLoginLinkResponse:
        await self._email_links.request_login(request.email, request.ip_address)
        return pb.RequestLoginLinkResponse()

    async def RedeemLoginLink(self, request: pb.RedeemLoginLinkRequest, context: Context) -> pb.RedeemLoginLinkResponse:
        secret, account = await self._email_links.log_in(request.link_token, request.remembered)
        return pb.RedeemLoginLinkResponse(session_token=secret, account=_account(account))

    async def ConfirmEmail(self, request: pb.ConfirmEmailRequest, context: Context) -> pb.ConfirmEmailResponse:
        before, account = await self._email_links.confirm(
            request.link_token, request.browser_key, request.session_token
        )
        removed = before.password_hash != NO_PASSWORD and account.password_hash == NO_PASSWORD
        return pb.ConfirmEmailResponse(account=_account(account), password_removed=removed)

    async def DeleteSession(self, request: pb.DeleteSessionRequest, context: Context) -> pb.DeleteSessionResponse:
        await self._sessions.close(request.session_token)
        return pb.DeleteSessionResponse()

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Context) -> pb.ListSessionsResponse:
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        sessions, total = await self._sessions.list_own(require_principal().id, offset, limit)
        return pb.ListSessionsResponse(sessions=[_session(session) for session in sessions], total_count=total)

    async def EndSession(self, request: pb.EndSessionRequest, context: Context) -> pb.EndSessionResponse:
        await self._sessions.end(require_principal().id, request.session_id)
        return pb.EndSessionResponse()

    async def EndOtherSessions(
        self, request: pb.EndOtherSessionsRequest, context: Context
    ) -> pb.EndOtherSessionsResponse:
        await self._sessions.end_others(require_principal().id, request.session_id)
        return pb.EndOtherSessionsResponse()

    async def ChangePassword(self, request: pb.ChangePasswordRequest, context: Context) -> pb.ChangePasswordResponse:
        secret = await self._accounts.change_password(
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
        await self._email_links.request_change(
            request.session_token, request.current_password, request.email, request.ip_address
        )
        return pb.RequestEmailChangeResponse()

    async def ExchangePassword(
        self, request: pb.ExchangePasswordRequest, context: Context
    ) -> pb.ExchangePasswordResponse:
        account = await self._accounts.verify_password(request.email, request.password, request.ip_address)
        secret, token = await self._tokens.create(account, request.name, request.lifetime_days)
        return pb.ExchangePasswordResponse(secret=secret, api_token=_token(token))

    async def CreateApiToken(self, request: pb.CreateApiTokenRequest, context: Context) -> pb.CreateApiTokenResponse:
        secret, token = await self._tokens.create_for(require_principal().id, request.name, request.lifetime_days)
        return pb.CreateApiTokenResponse(secret=secret, api_token=_token(token))

    async def ListApiTokens(self, request: pb.ListApiTokensRequest, context: Context) -> pb.ListApiTokensResponse:
        tokens = await self._tokens.list_own(require_principal().id)
        return pb.ListApiTokensResponse(api_tokens=[_token(token) for token in tokens])

    async def DeleteApiToken(self, request: pb.DeleteApiTokenRequest, context: Context) -> pb.DeleteApiTokenResponse:
        await self._tokens.revoke(require_principal().id, request.api_token_id)
        return pb.DeleteApiTokenResponse()


class AdminRpc(library_service_pb2_grpc.AdminServiceServicer):
    """Serves ``AdminService``."""

    def __init__(self, administration: Administration, accounts: IdentityStore, jobs: JobDocs) -> None:
        self._administration = administration
        self._accounts = accounts
        self._jobs = jobs

    async def ListAccounts(self, request: pb.ListAccountsRequest, context: Context) -> pb.ListAccountsResponse:
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        accounts, total = await self._administration.list_accounts(
            require_principal(), request.search, request.role, request.status, offset, limit
        )
        summaries = [await self._summary(account) for account in accounts]
        return pb.ListAccountsResponse(accounts=summaries, total_count=total)

    async def UpdateAccount(self, request: pb.UpdateAccountRequest, context: Context) -> pb.UpdateAccountResponse:
        account = await self._administration.update_account(
            require_principal(),
            request.account_id,
            request.role,
            request.status,
            request.ip_address,
            request.storage_quota_bytes if request.HasField("storage_quota_bytes") else None,
        )
        return pb.UpdateAccountResponse(account=await self._summary(account))

    async def ListAuditEntries(
        self, request: pb.ListAuditEntriesRequest, context: Context
    ) -> pb.ListAuditEntriesResponse:
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        entries, total = await self._administration.list_audit(require_principal(), offset, limit)
        listed = [to_wire(entry, account_pb2.AuditEntry) for entry in entries]
        return pb.ListAuditEntriesResponse(entries=listed, total_count=total)

    async def GetJobOverview(self, request: pb.GetJobOverviewRequest, context: Context) -> pb.GetJobOverviewResponse:
        await self._administration.require_admin(require_principal())
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        counts = await self._jobs.count_by_kind_and_state()
        jobs = [listed_job_to_wire(job) for job in await self._jobs.newest_jobs(offset, limit)]
        return pb.GetJobOverviewResponse(
            counts=[
                pb.JobCount(
                    kind=job_pb2.JobKind.Value(f"JOB_KIND_{kind.upper()}"),
                    state=job_pb2.JobState.Value(f"JOB_STATE_{state.upper()}"),
                    count=count,
                )
                for (kind, state), count in sorted(counts.items())
            ],
            jobs=jobs,
            total_count=sum(counts.values()),
        )

    async def _summary(self, account: Account) -> account_pb2.AccountSummary:
        count = await self._accounts.count_tracks(account.id)
        return account_pb2.AccountSummary(account=_account(account), track_count=count)


def _account(account: Account) -> account_pb2.Account:
    return to_wire(account, account_pb2.Account)


def _session(session: Session) -> account_pb2.Session:
    return account_pb2.Session(
        id=session.public_id,
        create_time=time_to_wire(session.create_time),
        authenticate_time=time_to_wire(session.authenticate_time),
        use_time=time_to_wire(session.use_time),
        expire_time=time_to_wire(session.expire_time),
        ip_address=session.ip_address,
        user_agent=session.user_agent,
    )


def _token(token: ApiToken) -> account_pb2.ApiToken:
    return account_pb2.ApiToken(
        id=token.public_id,
        name=token.name,
        prefix=token.prefix,
        create_time=time_to_wire(token.create_time),
        use_time=time_to_wire(token.use_time),
        expire_time=time_to_wire(token.expire_time),
    )
