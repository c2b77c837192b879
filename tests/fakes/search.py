"""An engine that answers what it was told to."""

from catalog.models.ids import DocumentId
from catalog.search.base import Explanation, SearchAnswer, SearchQuery, Suggestions
from tests.fakes.failing import Failing


class FakeSearchReader(Failing):
    """See ``SearchReader``; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = SearchAnswer(found=0, hits=())
        self.suggestions = Suggestions()
        self.explanation = Explanation(is_indexed=True, rank=1, found=1, is_match=True)
        self.explained: list[DocumentId] = []
        self.queries: list[SearchQuery] = []
        self.is_closed = False

    async def search(self, query: SearchQuery) -> SearchAnswer:
        self.queries.append(query)
        self.check()
        return self.answer

    async def search_transcripts(
        self, query: SearchQuery, *, moments_per_hit: int = 3
    ) -> SearchAnswer:
        assert moments_per_hit > 0
        self.queries.append(query)
        self.check()
        return self.answer

    async def suggest(self, query: SearchQuery, *, limit: int = 8) -> Suggestions:
        assert limit > 0
        self.queries.append(query)
        self.check()
        return self.suggestions

    async def explain(self, query: SearchQuery, document_id: DocumentId) -> Explanation:
        self.queries.append(query)
        self.explained.append(document_id)
        self.check()
        return self.explanation

    async def close(self) -> None:
        self.is_closed = True
