"""Article in, labels out: relevance, topics and the words that decided them. No network, no database, no clock."""

from alliancewatch.classify.classifier import Classifier
from alliancewatch.classify.taxonomy import Taxonomy

__all__ = ["Classifier", "Taxonomy"]
