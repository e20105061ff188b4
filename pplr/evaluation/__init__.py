"""Evaluation: mAP and CMC, and the distances they come from."""

from pplr.evaluation.metrics import retrieval_metrics

__all__ = ["retrieval_metrics"]
