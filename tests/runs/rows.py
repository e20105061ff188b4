"""The rows of a short history."""

ROWS = [
    {"alternation": "init", "mAP": 0.25, "rank1": 0.5},
    {
        "alternation": "00",
        "clusters": 7,
        "outliers": 12,
        "agreement_1": 0.125,
        "agreement_2": 0.0625,
        "adjusted_rand_index": 0.5,
        "part_loss": 2.5,
        "lr": 0.00035,
    },
    {
        "alternation": "01",
        "clusters": 10,
        "outliers": 0,
        "agreement_1": 0.25,
        "agreement_2": 0.3128,
        "adjusted_rand_index": 0.75,
        "part_loss": 1.5,
        "lr": 0.00035,
        "mAP": 0.5,
        "rank1": 1.0,
    },
]
