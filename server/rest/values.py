"""GET /models and GET /clients: the distinct values of a column, ascending, by prefix."""

from __future__ import annotations

from db.queries.values import Kind
from resolvers import search, values
from resolvers.context import Context
from resolvers.search import Language, SearchError
from resolvers.values import ValueList
from server.rest import lists
from server.rest.endpoint import Answer, Asked, Endpoint
from server.rest.lists import ListName
from server.rest.parameters import checked_limit


def _endpoint(name: str, kind: Kind, language: Language) -> Endpoint:
    list_name = ListName(cursor="after_id", search=f"AI Bridge {name}")

    async def answer(ctx: Context, asked: Asked) -> Answer:
        parameters = asked.parameters
        paging = parameters.paging()
        parameters.refuse_faults()
        lists.refuse_cursor_with_offset(list_name, paging, cursor=paging.after_id is not None)
        limit = checked_limit(paging)
        try:
            prefix = search.prefix(parameters.text("q"), language)
        except SearchError as error:
            raise lists.refused_search(list_name, error) from None
        wanted = ValueList(kind, prefix=prefix, limit=limit, offset=paging.offset)
        return Answer(await values.of(ctx, wanted, alone=True))

    return Endpoint(name, (name,), answer)


MODELS = _endpoint("models", "model", search.MODELS)
CLIENTS = _endpoint("clients", "client", search.CLIENTS)
