"""Quality and speed of the topic classifier on the labelled articles.

    python bench/topics.py                         # the project's own articles, in tests/labelled
    python bench/topics.py --set other.jsonl --worst

The models were trained on these articles, so the figures here are upper bounds: `bench/train_topics.py` prints the
cross-validated ones. Speed is CPU time for an article of 5,000 characters, and as a ratio to one bare pass of the
automaton over the same text.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import process_time

from alliancewatch.classify import Classifier, Taxonomy
from alliancewatch.config_file import read_config
from alliancewatch.resources import resource

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from topic_scores import LabelledText, read_labelled, scores, topic_f1  # noqa: E402

ARTICLE_CHARS, REPEATS = 5000, 40


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", type=Path, default=ROOT / "tests" / "labelled" / "topics.jsonl")
    parser.add_argument("--worst", action="store_true", help="print every article labelled wrongly")
    options = parser.parse_args()
    classifier = Classifier(read_config(resource("config", "topics.yaml"), Taxonomy))
    texts = read_labelled(options.set)
    labels = {text.id: classifier.classify(text.title, text.text, text.lang) for text in texts}
    print(f"{len(texts)} articles, taxonomy {classifier.version}")
    for name, value in scores(texts, labels).items():
        print(f"  {name:24} {value:.3f}")
    scope = [text for text in texts if text.relevance != "irrelevant"]
    for topic in classifier.taxonomy.topics:
        print(f"    {topic.id:24} {topic_f1(scope, labels, topic.id):.2f}")
    if options.worst:
        for text in texts:
            found = {label.topic_id for label in labels[text.id].topics}
            if found != text.topics or labels[text.id].relevance != text.relevance:
                missing, extra = sorted(text.topics - found), sorted(found - text.topics)
                print(f"{text.id} {text.relevance}>{labels[text.id].relevance} -{missing} +{extra} {text.title[:70]}")
    for lang in ("en", "ja"):
        article, bare = speed(classifier, texts, lang)
        print(f"  {lang}: {article:.2f} ms CPU for {ARTICLE_CHARS} characters, {article / bare:.1f} bare passes")


def speed(classifier: Classifier, texts: list[LabelledText], lang: str) -> tuple[float, float]:
    """Milliseconds of CPU for an article of 5,000 characters, and for a bare pass of the automaton over it."""
    relevant = [text for text in texts if text.lang == lang and text.relevance == "relevant"]
    joined = "\n\n".join(text.text for text in relevant)
    size = max(1, len(joined) // ARTICLE_CHARS)
    articles = [joined[i * ARTICLE_CHARS : (i + 1) * ARTICLE_CHARS] for i in range(size)]
    started = process_time()
    for article in articles * REPEATS:
        classifier.classify(relevant[0].title, article, lang)
    whole = process_time() - started
    lowered = [article.lower() for article in articles]
    started = process_time()
    for article in lowered * REPEATS:
        classifier.bare_pass(article)
    bare = process_time() - started
    return whole * 1000 / (size * REPEATS), bare * 1000 / (size * REPEATS)


if __name__ == "__main__":
    main()
