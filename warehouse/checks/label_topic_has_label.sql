-- Each topic belongs to a label, and a label's primary topic is among its topics.
SELECT article_id, revision, taxonomy_version, topic, 'no label' AS wrong
FROM label_topic
ANTI JOIN label USING (article_id, revision, taxonomy_version)
UNION ALL
SELECT article_id, revision, taxonomy_version, primary_topic AS topic, 'primary topic is not a topic' AS wrong
FROM label
ANTI JOIN label_topic
    ON label_topic.article_id = label.article_id
    AND label_topic.revision = label.revision
    AND label_topic.taxonomy_version = label.taxonomy_version
    AND label_topic.topic = label.primary_topic
WHERE label.primary_topic IS NOT NULL;
