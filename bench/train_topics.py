"""Train the three logistic models of `config/topics.yaml` on the labelled articles and print them with their figures.

    python bench/train_topics.py            # cross-validated figures, then the block `models:` of the file
    python bench/train_topics.py --write    # the same, and the block goes into the file

Deterministic, and plain Python: a few hundred rows of a dozen figures need no library. The folds are runs of
neighbouring ids, because neighbours tell of the same event: a story never trains the model that is tried on it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from math import exp
from pathlib import Path

from alliancewatch.classify import Classifier, Taxonomy
from alliancewatch.classify.classifier import Figures
from alliancewatch.classify.taxonomy import CORE_FEATURES, SCOPE_FEATURES, TOPIC_FEATURES, LinearModel
from alliancewatch.config_file import read_config
from alliancewatch.model import Labels

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config" / "topics.yaml"
sys.path.insert(0, str(ROOT / "tests"))
from topic_scores import LabelledText, read_labelled, scores, topic_f1  # noqa: E402

Row = tuple[Sequence[float], bool, float]


def fit(rows: Sequence[Row], names: Sequence[str], penalty: float) -> LinearModel:
    """Logistic regression with an L2 penalty on the weights, by Newton's method; a row is (figures, label, weight)."""
    size = len(names) + 1
    beta = [0.0] * size
    points = [((*figures, 1.0), label, weight) for figures, label, weight in rows]
    for _ in range(30):
        gradient = [-penalty * value for value in beta[:-1]] + [0.0]
        hessian = [[penalty if i == j and i < size - 1 else 0.0 for j in range(size)] for i in range(size)]
        hessian[-1][-1] += 1e-9
        for x, label, weight in points:
            p = 1 / (1 + exp(-max(-50.0, min(50.0, sum(b * v for b, v in zip(beta, x, strict=True))))))
            for i in range(size):
                gradient[i] += weight * (label - p) * x[i]
                for j in range(size):
                    hessian[i][j] += weight * p * (1 - p) * x[i] * x[j]
        step = solve(hessian, gradient)
        beta = [b + s for b, s in zip(beta, step, strict=True)]
        if max(map(abs, step)) < 1e-8:
            break
    return LinearModel(bias=round(beta[-1], 3), weights=dict(zip(names, (round(b, 3) for b in beta[:-1]), strict=True)))


def solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Gaussian elimination with pivoting."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(i + 1, size):
            factor = rows[k][i] / rows[i][i]
            rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i], strict=True)]
    result = [0.0] * size
    for i in reversed(range(size)):
        result[i] = (rows[i][-1] - sum(rows[i][k] * result[k] for k in range(i + 1, size))) / rows[i][i]
    return result


def train(
    texts: Sequence[LabelledText], figures: Mapping[str, Figures], topic_penalty: float, relevance_penalty: float
) -> dict[str, LinearModel]:
    """The three models for these articles."""
    topic_rows: list[Row] = []
    scope_rows: list[Row] = []
    core_rows: list[Row] = []
    for text in texts:
        seen = figures[text.id]
        in_scope = text.relevance != "irrelevant"
        scope_rows.append(([seen.in_scope[name] for name in SCOPE_FEATURES], in_scope, 1.0))
        if in_scope:
            core_rows.append(([seen.core[name] for name in CORE_FEATURES], text.relevance == "relevant", 1.0))
            for topic, figure in seen.topics.items():
                topic_rows.append(([figure[name] for name in TOPIC_FEATURES], topic in text.topics, 1.0))
    return {
        "topic": fit(topic_rows, TOPIC_FEATURES, topic_penalty),
        "in_scope": fit(scope_rows, SCOPE_FEATURES, relevance_penalty),
        "core": fit(core_rows, CORE_FEATURES, relevance_penalty),
    }


def with_models(taxonomy: Taxonomy, models: Mapping[str, LinearModel], threshold: float) -> Taxonomy:
    """The taxonomy with other models."""
    return taxonomy.model_copy(
        update={"models": taxonomy.models.model_copy(update={**models, "topic_threshold": threshold})}
    )


def figures_of(taxonomy: Taxonomy, texts: Sequence[LabelledText]) -> dict[str, Figures]:
    """Article id to its figures, which do not depend on the models."""
    classifier = Classifier(taxonomy)
    return {text.id: classifier.figures(text.title, text.text, text.lang) for text in texts}


def cross_validated(
    taxonomy: Taxonomy,
    texts: Sequence[LabelledText],
    folds: int = 9,
    threshold: float = 0.45,
    topic_penalty: float = 2.0,
    relevance_penalty: float = 1.0,
) -> dict[str, Labels]:
    """Labels of each article from models trained on the other folds."""
    figures = figures_of(taxonomy, texts)
    labels: dict[str, Labels] = {}
    for fold in range(folds):
        start, end = fold * len(texts) // folds, (fold + 1) * len(texts) // folds
        models = train([*texts[:start], *texts[end:]], figures, topic_penalty, relevance_penalty)
        classifier = Classifier(with_models(taxonomy, models, threshold))
        labels |= {text.id: classifier.classify(text.title, text.text, text.lang) for text in texts[start:end]}
    return labels


def main() -> None:
    """Cross-validate, then train on everything and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=9)
    parser.add_argument("--threshold", type=float, default=0.45)
    parser.add_argument("--topic-penalty", type=float, default=2.0)
    parser.add_argument("--relevance-penalty", type=float, default=1.0)
    parser.add_argument("--write", action="store_true", help="put the block into the file instead of printing it")
    parser.add_argument("--worst", action="store_true", help="print every article labelled wrongly")
    options = parser.parse_args()
    taxonomy = read_config(CONFIG, Taxonomy)
    texts = [text for path in sorted((ROOT / "tests" / "labelled").glob("*.jsonl")) for text in read_labelled(path)]
    penalties = (options.topic_penalty, options.relevance_penalty)
    labels = cross_validated(taxonomy, texts, options.folds, options.threshold, *penalties)
    print(f"cross-validated on {len(texts)} articles, {options.folds} folds")
    for name, value in scores(texts, labels).items():
        print(f"  {name:24} {value:.3f}")
    for topic in taxonomy.topics:
        print(f"    {topic.id:24} {topic_f1([t for t in texts if t.relevance != 'irrelevant'], labels, topic.id):.2f}")
    if options.worst:
        for text in texts:
            said = {label.topic_id for label in labels[text.id].topics}
            if said != text.topics or labels[text.id].relevance != text.relevance:
                missing, extra = sorted(text.topics - said), sorted(said - text.topics)
                print(f"{text.id} {text.relevance}>{labels[text.id].relevance} -{missing} +{extra} {text.title[:70]}")
    block = models_block(taxonomy, train(texts, figures_of(taxonomy, texts), *penalties), options.threshold)
    if options.write:
        before = CONFIG.read_text("utf-8").split("\nmodels:\n")[0]
        CONFIG.write_text(f"{before}\n{block}", "utf-8")
    else:
        print(block)


def models_block(taxonomy: Taxonomy, models: Mapping[str, LinearModel], threshold: float) -> str:
    """The part of `config/topics.yaml` that holds the trained numbers."""
    lines = [
        "models:",
        f"  topic_threshold: {threshold}",
        f"  long_text_threshold: {taxonomy.models.long_text_threshold}",
        f"  max_topics: {taxonomy.models.max_topics}",
    ]
    for name, model in models.items():
        lines += [f"  {name}:", f"    bias: {model.bias}", "    weights:"]
        lines += [f"      {feature}: {weight}" for feature, weight in model.weights.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
