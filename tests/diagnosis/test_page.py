from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from tests.diagnosis.diagnosed import RECIPES, diagnosed

from unstuck.diagnosis import shown
from unstuck.diagnosis.figures import layers_figure, rates_figure, trials_figure

EMPTY = {"meta", "br"}


class Page(HTMLParser):
    """What a browser would find: all tags are closed, in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.tags, self.ids, self.attributes = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        self.attributes += attributes
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in EMPTY:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("name", RECIPES)
def test_the_page_is_whole_and_needs_no_other_file(name):
    text = diagnosed(name).to_html()
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "img", "iframe", "object")]
    links = [value for name, value in page.attributes if name in ("src", "href", "xlink:href")]
    assert all(link.startswith("#") for link in links)
    assert not re.search(r"@import|url\((?!#)", text)


@pytest.mark.parametrize("name", RECIPES)
def test_every_figure_says_in_words_what_it_shows(name):
    figures = [attributes for tag, attributes in Page(diagnosed(name).to_html()).tags if tag == "svg"]
    assert len(figures) >= 2
    assert all(figure["role"] == "img" and len(figure["aria-label"]) > 20 for figure in figures)


def test_the_page_says_what_the_text_says():
    diagnosis = diagnosed("out of range")
    text = Page(diagnosis.to_html()).text
    said = [diagnosis.verdict, *diagnosis.changes, *shown.ruled_out(diagnosis)]
    said += [finding.text for finding in shown.causes(diagnosis)]
    said += [row.change for row in shown.trial_rows(diagnosis)]
    said += [beside for _, _, beside in shown.evidence_rows(diagnosis.evidence)]
    assert [line for line in said if " ".join(line.split()) not in text] == []


@pytest.mark.parametrize("name", RECIPES)
def test_each_layer_has_its_own_numbers_at_the_start_and_at_the_end(name):
    evidence = diagnosed(name).evidence
    if evidence is None:
        return
    head, rows = shown.layer_table(evidence)
    layers = [layer for pair in zip(evidence.start.layers, evidence.end.layers, strict=True) for layer in pair]
    assert len(rows) == len(layers)
    for layer, row in zip(layers, rows, strict=True):
        cells = dict(zip(head, row, strict=True))
        assert cells["dead"] == f"{layer.dead:.0%}"
        for signal in ("z_mean", "z_spread", "rank", "gradient", "penalty", "noise_scale"):
            given, shown_as = getattr(layer, signal), float(cells[signal.replace("_", " ")])
            assert shown_as == pytest.approx(given, rel=0.01, abs=1e-12, nan_ok=True)


def test_texts_are_no_html():
    attack = '<script>alert("x")</script> & <b>'
    page = Page(replace(diagnosed("learns"), verdict=attack, ruled_out=(attack,)).to_html())
    assert page.text.count(attack) == 2
    assert "script" not in [tag for tag, _ in page.tags]


def test_black_is_the_colour_of_the_text_on_light_and_on_dark():
    text = diagnosed("too slow").to_html()
    assert "prefers-color-scheme: dark" in text
    assert "stroke: currentColor" in text
    assert not re.search(r"(stroke|fill): #(000000|ffffff)", text)


def test_the_same_diagnosis_makes_the_same_page():
    assert diagnosed("too slow").to_html() == diagnosed("too slow").to_html()


def test_json_has_null_for_what_is_no_number():
    diagnosis = diagnosed("diverges")
    assert json.loads(diagnosis.to_json())["state"] == diagnosis.state
    assert json.loads(replace(diagnosis, seconds=float("inf")).to_json())["seconds"] is None


def test_the_floor_picture_has_a_line_for_each_floor_and_its_name():
    diagnosis = diagnosed("too slow")
    figure = diagnosis.plot()
    left, right = figure.axes
    losses = {floor.loss for floor in diagnosis.evidence.floors}
    for axes in (left, right):
        drawn, *floors = axes.get_lines()
        assert {line.get_ydata()[0] for line in floors} == losses
        assert len(drawn.get_xdata()) > 5
    assert len(left.texts) == len(losses)


def test_the_rates_are_drawn_with_the_recipes_own():
    evidence = diagnosed("too slow").evidence
    (axes,) = rates_figure(evidence).axes
    curve, _, _, own = axes.get_lines()
    assert own.get_xdata()[0] == 1e-7
    drawn = np.isfinite(curve.get_ydata())
    assert (np.array(curve.get_ydata())[drawn] == np.array(evidence.rates.losses)[drawn]).all()
    assert rates_figure(diagnosed("no rate").evidence) is None


def test_there_is_a_dot_for_each_seed_of_each_trial():
    diagnosis = diagnosed("too slow")
    trials = shown.telling_trials(diagnosis)
    (axes,) = trials_figure(diagnosis).axes
    dots = [line for line in axes.get_lines() if line.get_marker() == "o" and len(line.get_xdata())]
    assert [len(line.get_xdata()) for line in dots] == [len(trial.after) for trial in trials]
    assert trials_figure(replace(diagnosis, trials=())) is None


@pytest.mark.parametrize("name", RECIPES)
def test_the_layers_are_drawn_at_the_start_and_at_the_end(name):
    evidence = diagnosed(name).evidence
    for axes in layers_figure(evidence).axes:
        assert [len(line.get_xdata()) for line in axes.get_lines()] == [len(evidence.start.layers)] * 2
