"""Loan products live in a file, and come into the books by a command."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from app.cli.main import daystar
from app.loan_products import OUR_PRODUCTS
from tests.conftest import MASTER_KEY

CODES = (
    *("development", "school_fees", "emergency", "special", "super_saver", "salary_advance"),
    *("instant", "refinance"),
)


@pytest.fixture
def loan_products(owner_url, tmp_path, monkeypatch, keyring):
    monkeypatch.setenv("DATABASE_URL", owner_url)
    monkeypatch.setenv("DAYSTAR_MASTER_KEY", MASTER_KEY)
    monkeypatch.setenv("DAYSTAR_DATA_DIR", str(tmp_path))
    return lambda *words: CliRunner().invoke(daystar, ["loan-products", *words])


def test_our_products_are_loaded_listed_and_loaded_again_without_effect(loan_products):
    for _ in range(2):
        assert loan_products("load", str(OUR_PRODUCTS)).exit_code == 0
    lines = loan_products("list").output.splitlines()
    assert [line.split()[0] for line in lines] == list(CODES)
    assert all(" version 1 from 2000-01-01 " in line for line in lines)
    assert "10000 to 2000000, 1 to 36 months, 12 % a year" in lines[0]


def test_other_terms_from_a_later_day_are_another_version(loan_products, tmp_path):
    assert loan_products("load", str(OUR_PRODUCTS)).exit_code == 0
    later = OUR_PRODUCTS.read_text().replace('"0.5"', '"0.75"', 1)
    file = tmp_path / "later.toml"
    file.write_text(later.replace("2000-01-01", "2027-01-01", 1))
    assert loan_products("load", str(file)).exit_code == 0
    lines = loan_products("list").output.splitlines()
    assert [" version 2 from 2027-01-01 " in line for line in lines] == [True] + [False] * 7


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[product]\n", "is not TOML"),
        ("", "Give 1 to 100 entries"),
        ('[[product]]\ncode = "x"\n', "Product 1: give code, name, valid_from, terms"),
        (
            '[[product]]\ncode = "ab"\nname = "A"\nvalid_from = "2026"\nterms = {}\n',
            "Product 1: valid_from is no date",
        ),
        (
            '[[product]]\ncode = "ab"\nname = "A"\nvalid_from = 2026-01-01\nterms = {}\n',
            "ab: The terms lack amount_cents_max",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_a_sentence(loan_products, tmp_path, text, sentence):
    file = tmp_path / "products.toml"
    file.write_text(text)
    outcome = loan_products("load", str(file))
    assert outcome.exit_code == 1
    assert sentence in outcome.output
