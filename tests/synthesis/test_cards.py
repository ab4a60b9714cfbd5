"""A model card in words."""

from __future__ import annotations

from synthesis import cards


def test_a_card_of_our_own_training_reads_as_sentences() -> None:
    card = {
        "data": {"films": 2000, "patients": 1, "held_out_films": 500, "held_out_patients": 400,
                 "digest": "90bf", "description": "computed phantoms"},
        "images_seen": 76_000,
        "metrics": {"frechet": 0.015637, "frechet_held_out": 0.0055, "frechet_images": 500.0,
                    "spread": 0.94869, "fid": 52.17},
    }  # fmt: skip
    lines = dict(cards.lines(card))
    assert lines["Trained on"] == (
        "computed phantoms; 2,000 films of 1 patient trained on, 500 films of 400 patients held out"
    )
    assert lines["Images seen in training"] == "76,000"
    assert lines["Fréchet distance to its films (house features, no FID)"] == (
        "0.0156; held-out films 0.0055 (500 images of each)"
    )
    assert lines["Spread of its samples to that of films"] == "0.95"
    assert lines["fid"] == "52.17"
    assert lines["Licence of the weights"] == "not stated"


def test_a_card_of_another_maker_is_shown_as_it_is() -> None:
    card = {"data": "films from somewhere", "images_seen": "many", "metrics": ["odd"], "date": None}
    lines = dict(cards.lines(card))
    assert lines["Trained on"] == "films from somewhere"
    assert lines["Images seen in training"] == "not stated"
    assert cards.trained_on({"set": "NIH"}) == "set: NIH"
    assert cards.format_name("karras_theano") == "Karras's Theano pickle"
    assert cards.format_name("of tomorrow") == "of tomorrow"
