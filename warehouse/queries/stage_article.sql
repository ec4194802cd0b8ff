-- Labelled articles of one batch, typed, in a temporary table. Fails on the first row that does not fit.
CREATE OR REPLACE TEMP TABLE staged_article AS
SELECT unnest(
    from_json_strict(
        $rows::JSON,
        '[{
            "ordinal": "INTEGER", "article_id": "VARCHAR", "canonical_url": "VARCHAR", "source_id": "VARCHAR",
            "capture_id": "VARCHAR", "content_hash": "VARCHAR", "url": "VARCHAR", "aliases": ["VARCHAR"],
            "first_seen_at": "TIMESTAMPTZ", "title": "VARCHAR", "standfirst": "VARCHAR", "text": "VARCHAR",
            "byline": ["VARCHAR"], "published_at": "TIMESTAMPTZ", "published_offset": "INTEGER",
            "published_raw": "VARCHAR", "lang": "VARCHAR", "section": "VARCHAR", "paragraphs": "JSON",
            "captions": ["VARCHAR"], "author_bio": "VARCHAR", "access_status": "VARCHAR",
            "access_evidence": ["VARCHAR"], "remaining_chars": "BIGINT", "total_chars": "BIGINT", "repairs": "JSON",
            "flags": ["VARCHAR"], "provenance": "JSON", "site_name": "VARCHAR",
            "removed": [{
                "position": "INTEGER", "text": "VARCHAR", "kind": "VARCHAR", "rule": "VARCHAR", "evidence": "VARCHAR"
            }],
            "taxonomy_version": "VARCHAR", "relevance": "VARCHAR", "relevance_score": "DOUBLE",
            "primary_topic": "VARCHAR", "relevance_evidence": "JSON",
            "topics": [{"topic": "VARCHAR", "position": "INTEGER", "score": "DOUBLE", "evidence": "JSON"}]
        }]'
    ),
    max_depth := 2
);
