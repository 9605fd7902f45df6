"""Accounts and what administrators do with them: wire to domain and back."""

from __future__ import annotations

from typing import Any

from soundwright.library.v1 import account_pb2, job_pb2, library_service_pb2_grpc
from soundwright.library.v1 import library_service_pb2 as pb

from kit.identity import require_principal, require_service
from services.library.account_store import AccountStore
from services.library.accounts import Accounts
from services.library.admin import Administration
from services.library.api_tokens import ApiTokens
from services.library.credentials import ApiToken
from services.library.mailboxes import Mailboxes
from services.library.service import Account
from services.library.sessions import Sessions
from services.library.store import LibraryStore
from services.library.wire import page_bounds, time_to_wire, to_wire

__all__ = ["AccountRpc", "AdminRpc"]

_PAGE_SIZE_LIMIT = 100


class AccountRpc(library_service_pb2_grpc.AccountServiceServicer):
    def __init__(self, accounts: Accounts, sessions: Sessions, tokens: ApiTokens, mailboxes: Mailboxes) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._tokens = tokens
        self._mailboxes = mailboxes

    async def AuthenticateToken(
        self, request: pb.AuthenticateTokenRequest, context: Any
    ) -> pb.AuthenticateTokenResponse:
        require_service()
        return pb.AuthenticateTokenResponse(account=_account(await self._tokens.authenticate(request.token)))

    async def AuthenticateSession(
        self, request: pb.AuthenticateSessionRequest, context: Any
    ) -> pb.AuthenticateSessionResponse:
        require_service()
        opened = await self._sessions.authenticate(request.session_token, passive=request.passive)
        return pb.AuthenticateSessionResponse(
            account=_account(opened.account),
            remembered=opened.session.remembered,
            fresh=opened.fresh,
            renewed_session_token=opened.renewed_secret,
        )

    async def Register(self, request: pb.RegisterRequest, context: Any) -> pb.RegisterResponse:
        require_service()
        await self._accounts.register(request.email, request.password, request.ip_address)
        return pb.RegisterResponse()

    async def CreateSession(self, request: pb.CreateSessionRequest, context: Any) -> pb.CreateSessionResponse:
        require_service()
        account = await self._accounts.verify(request.email, request.password, request.ip_address)
        secret = await self._sessions.open(account, request.remembered)
        return pb.CreateSessionResponse(session_token=secret, account=_account(account))

    async def RequestLoginLink(self, request: pb.RequestLoginLinkRequest, context: Any) -> pb.RequestLoginLinkResponse:
        require_service()
        await self._mailboxes.request_login(request.email, request.ip_address)
        return pb.RequestLoginLinkResponse()

    async def RedeemLoginLink(self, request: pb.RedeemLoginLinkRequest, context: Any) -> pb.RedeemLoginLinkResponse:
        require_service()
        secret, account = await self._mailboxes.log_in(request.link_token, request.remembered)
        return pb.RedeemLoginLinkResponse(session_token=secret, account=_account(account))

    async def ConfirmEmail(self, request: pb.ConfirmEmailRequest, context: Any) -> pb.ConfirmEmailResponse:
        require_service()
        return pb.ConfirmEmailResponse(account=_account(await self._mailboxes.confirm(request.link_token)))

    async def DeleteSession(self, request: pb.DeleteSessionRequest, context: Any) -> pb.DeleteSessionResponse:
        require_service()
        await self._sessions.close(request.session_token)
        return pb.DeleteSessionResponse()

    async def ChangePassword(self, request: pb.ChangePasswordRequest, context: Any) -> pb.ChangePasswordResponse:
        require_service()
        secret = await self._accounts.change_password(
            request.session_token,
            request.current_password,
            request.new_password,
            request.revoke_api_tokens,
            request.ip_address,
        )
        return pb.ChangePasswordResponse(session_token=secret)

    async def RequestEmailChange(
        self, request: pb.RequestEmailChangeRequest, context: Any
    ) -> pb.RequestEmailChangeResponse:
        require_service()
        await self._mailboxes.request_change(
            request.session_token, request.current_password, request.email, request.ip_address
        )
        return pb.RequestEmailChangeResponse()

    async def ExchangePassword(self, request: pb.ExchangePasswordRequest, context: Any) -> pb.ExchangePasswordResponse:
        require_service()
        account = await self._accounts.verify(request.email, request.password, request.ip_address)
        secret, token = await self._tokens.create(account, request.name)
        return pb.ExchangePasswordResponse(secret=secret, api_token=_token(token))

    async def CreateApiToken(self, request: pb.CreateApiTokenRequest, context: Any) -> pb.CreateApiTokenResponse:
        secret, token = await self._tokens.create_for(require_principal().id, request.name)
        return pb.CreateApiTokenResponse(secret=secret, api_token=_token(token))

    async def ListApiTokens(self, request: pb.ListApiTokensRequest, context: Any) -> pb.ListApiTokensResponse:
        tokens = await self._tokens.list_own(require_principal().id)
        return pb.ListApiTokensResponse(api_tokens=[_token(token) for token in tokens])

    async def DeleteApiToken(self, request: pb.DeleteApiTokenRequest, context: Any) -> pb.DeleteApiTokenResponse:
        await self._tokens.revoke(require_principal().id, request.api_token_id)
        return pb.DeleteApiTokenResponse()


class AdminRpc(library_service_pb2_grpc.AdminServiceServicer):
    def __init__(self, administration: Administration, accounts: AccountStore, jobs: LibraryStore) -> None:
        self._administration = administration
        self._accounts = accounts
        self._jobs = jobs

    async def ListAccounts(self, request: pb.ListAccountsRequest, context: Any) -> pb.ListAccountsResponse:
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        accounts, total = await self._administration.list_accounts(
            require_principal(), request.search, request.role, request.status, offset, limit
        )
        summaries = [await self._summary(account) for account in accounts]
        return pb.ListAccountsResponse(accounts=summaries, total_count=total)

    async def UpdateAccount(self, request: pb.UpdateAccountRequest, context: Any) -> pb.UpdateAccountResponse:
        account = await self._administration.update_account(
            require_principal(), request.account_id, request.role, request.status, request.ip_address
        )
        return pb.UpdateAccountResponse(account=await self._summary(account))

    async def ListAuditEntries(self, request: pb.ListAuditEntriesRequest, context: Any) -> pb.ListAuditEntriesResponse:
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        entries, total = await self._administration.list_audit(require_principal(), offset, limit)
        listed = [to_wire(entry, account_pb2.AuditEntry) for entry in entries]
        return pb.ListAuditEntriesResponse(entries=listed, total_count=total)

    async def GetJobOverview(self, request: pb.GetJobOverviewRequest, context: Any) -> pb.GetJobOverviewResponse:
        await self._administration.require_admin(require_principal())
        offset, limit = page_bounds(request.page, request.page_size, _PAGE_SIZE_LIMIT)
        counts = await self._jobs.count_by_kind_and_state()
        jobs = [to_wire(job, job_pb2.Job) for job in await self._jobs.newest_jobs(offset, limit)]
        for job in jobs:
            if job.HasField("result"):
                job.result.ClearField("values_json")  # a hundred of them would not fit into one message
        return pb.GetJobOverviewResponse(
            counts=[
                pb.JobCount(
                    kind=f"JOB_KIND_{kind.upper()}",
                    state=f"JOB_STATE_{state.upper()}",
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


def _token(token: ApiToken) -> account_pb2.ApiToken:
    return account_pb2.ApiToken(
        id=token.public_id,
        name=token.name,
        prefix=token.prefix,
        create_time=time_to_wire(token.create_time),
        use_time=time_to_wire(token.use_time),
    )
