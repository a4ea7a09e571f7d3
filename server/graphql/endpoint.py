"""The endpoint: the way of a request through sign-in, checks and execution to its answer."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isawaitable
from typing import Any

from graphql import ExecutionResult, GraphQLSchema
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from db.errors import DatabaseError
from engine import Trace
from resolvers.access import Reach, scope_of
from resolvers.context import Context
from resolvers.errors import ApiError, UnauthenticatedError, api_error
from resolvers.principal import Principal
from schema.limits import Limits
from server import graphiql, logs
from server.auth import answered
from server.context import context_of
from server.errors import RETRY_AFTER, unauthenticated
from server.graphql import errors, media, response
from server.graphql.csrf import is_forged
from server.graphql.documents import Asking, Documents, is_query, only_queries_by_get
from server.graphql.errors import Code, RequestError
from server.graphql.execution import EXECUTORS, Operation
from server.graphql.persisted import Persisted, read_manifest
from server.graphql.request import GraphQLRequest, ProtocolError, from_post, from_query_string
from server.graphql.response import Answer
from server.heads import headers_of
from server.settings import Settings
from server.waiting import CLIENT_GONE, ClientGoneError, within

# With `1` the answer tells the cost of its operation.
_COST_HEADER = "x-cost"

# With `1` the answer tells how it came about, to those who may introspect.
_EXPLAIN_HEADER = "x-explain"

# GraphiQL's page says so above everything else.
_ONLY_TRUSTED = "This deployment runs trusted documents only; other operations are refused."


class GraphQLEndpoint:
    """Answers `/graphql`, as an ASGI application."""

    def __init__(self, schema: GraphQLSchema, settings: Settings) -> None:
        self._schema = schema
        self._settings = settings
        self._execute = EXECUTORS[settings.executor]
        limits = {name: getattr(settings, name) for name in Limits.__dataclass_fields__}
        self._limits = Limits(**limits)
        self._documents = Documents(schema, self._limits)
        manifest = settings.trusted_documents
        self._persisted = Persisted(
            read_manifest(manifest) if manifest else None, only_trusted=settings.only_trusted
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        headers = headers_of(request)
        accept = headers.get("accept", "")
        if request.method == "GET" and media.prefers_html(accept):
            await self._page(request)(scope, receive, send)
            return
        media_type = media.answer_type(accept)
        try:
            answer = await self._answer(request, headers, media_type)
        except UnauthenticatedError as error:
            await unauthenticated(error)(scope, receive, send)
            return
        encodings = headers.get("accept-encoding", "")
        await response.send_answer(answer, media_type or "json", encodings, send)

    async def _answer(
        self, request: Request, headers: Mapping[str, str], media_type: media.MediaType | None
    ) -> Answer:
        profile = self._settings.http_profile
        try:
            self._check(request, headers, media_type)
            return await self._for_caller(request, headers)
        except ProtocolError as error:
            return response.of_protocol_error(error, profile)
        except RequestError as error:
            return response.of_request_error(error, media_type or "json", profile)
        except ClientGoneError:
            return Answer(CLIENT_GONE, {})
        except UnauthenticatedError:
            raise
        except (ApiError, DatabaseError) as error:
            return self._failed(request, error)
        except Exception as error:  # noqa: BLE001 (whatever it is, the caller gets one sentence)
            return self._failed(request, error)

    async def _for_caller(self, request: Request, headers: Mapping[str, str]) -> Answer:
        # A body can be read once, and an answer may have to be made again.
        read: list[GraphQLRequest | ProtocolError] = []

        async def answer(principal: Principal) -> Answer:
            if not read:
                try:
                    read.append(await self._read(request, headers))
                except ProtocolError as error:
                    read.append(error)
            if isinstance(read[0], ProtocolError):
                raise read[0]
            return await self._operate(request, headers, principal, read[0])

        return await answered(request, answer)

    def _failed(self, request: Request, error: Exception) -> Answer:
        """Answer for an error that no field raised: nothing could be answered."""
        known = api_error(error)
        if known is None:
            sentence = logs.unexpected(error, logs.of(request))
            said = errors.entry(Code.INTERNAL_SERVER_ERROR, sentence)
            return Answer(500, {"errors": [said]})
        retry = RETRY_AFTER if known.code == Code.SERVICE_UNAVAILABLE else {}
        return Answer(known.status, {"errors": [errors.entry(known.code, known)]}, retry)

    def _check(
        self, request: Request, headers: Mapping[str, str], media_type: media.MediaType | None
    ) -> None:
        """Refuse what needs no reading to be refused."""
        if request.method not in {"GET", "POST"}:
            raise ProtocolError(
                405, "The method must be GET or POST.", headers={"Allow": "GET, POST"}
            )
        if media_type is None:
            raise ProtocolError(
                406, "Answers are application/graphql-response+json or application/json."
            )
        if is_forged(request, headers, self._settings.trusted_origins):
            raise ProtocolError(
                403,
                "A request from another site must not use the cookie; send the token in a header.",
                code=Code.FORBIDDEN,
            )

    async def _read(self, request: Request, headers: Mapping[str, str]) -> GraphQLRequest:
        if request.method == "GET":
            return from_query_string(request.scope["query_string"])
        return await from_post(headers, request.receive, self._settings.max_body_bytes)

    async def _operate(
        self,
        request: Request,
        headers: Mapping[str, str],
        principal: Principal,
        asked: GraphQLRequest,
    ) -> Answer:
        explain = headers.get(_EXPLAIN_HEADER) == "1"
        operation = await self._prepared(request, principal, asked, explain=explain)
        log = logs.of(request)
        log.operation = operation.name
        extensions: dict[str, Any] = {}
        if headers.get(_COST_HEADER) == "1":
            maximum = self._settings.max_cost
            extensions["cost"] = {"requested": operation.cost, "maximum": maximum}
        opened = context_of(request.app, principal)
        async with opened.db:
            try:
                result = await self._executed(request, operation, opened)
            finally:
                log.statements, log.rows = opened.db.statements, opened.db.rows
        entries = [errors.field_entry(error, log) for error in result.errors or ()]
        extensions |= result.extensions or {}
        return response.of_result(result.data, entries, extensions, self._settings.http_profile)

    async def _prepared(
        self, request: Request, principal: Principal, asked: GraphQLRequest, *, explain: bool
    ) -> Operation:
        """Find what is asked for, and refuse what may not or can't be run."""
        asking = Asking(self._may_introspect(principal), by_get=request.method == "GET")
        text = self._persisted.text_of(asked)
        document = await self._documents.get(text, asking)
        chosen = document.operation(asked.operation_name)
        if asking.by_get and not is_query(chosen):
            raise only_queries_by_get()
        self._persisted.learn(asked)
        return Operation(
            document,
            chosen.name.value if chosen.name else None,
            asked.variables,
            hide_suggestions=not asking.may_introspect,
            cost=document.check_cost(chosen, asked.variables or {}, self._limits),
            trace=Trace() if explain and asking.may_introspect else None,
        )

    async def _executed(
        self, request: Request, operation: Operation, opened: Context
    ) -> ExecutionResult:
        result = self._execute(self._schema, operation, opened)
        if isawaitable(result):
            result = await within(self._settings.operation_timeout, result, request.receive)
        found = result.errors or []
        # Errors without a path are of the variables: no field was asked.
        if result.data is None and found and all(error.path is None for error in found):
            raise RequestError.of(Code.BAD_USER_INPUT, *found)
        return result

    def _may_introspect(self, principal: Principal) -> bool:
        reach = scope_of(principal, self._settings.member_access)
        return self._settings.introspection and reach is not Reach.NOTHING

    def _page(self, request: Request) -> Response:
        notice = _ONLY_TRUSTED if self._settings.only_trusted else ""
        return graphiql.page(request, notice=notice)
