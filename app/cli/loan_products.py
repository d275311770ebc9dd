"""What the co-operative lends, from a file into the books and back."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli.administration import administrator
from app.loan_products import read_loan_products
from domain.errors import DomainError
from domain.loans.product import LoanProduct
from domain.loans.terms import LoanTerms
from domain.money import text_from_cents
from infra.event_store.dispatch import dispatch
from infra.event_store.unit_of_work import UnitOfWork

_SELECT_PRODUCTS = """
SELECT stream_id FROM event_store.events WHERE topic = 'loan-product.defined'
ORDER BY position LIMIT 1000
"""


@click.group("loan-products")
def loan_products() -> None:
    """What the co-operative lends, and on what terms.

    Example: daystar loan-products list
    """


@loan_products.command("load")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def load(file: Path) -> None:
    """Offer the products of a TOML file; terms that hold already change nothing.

    The demo's own file, app/demo_data/loan_products.toml, shows how one is written.

    Example: daystar loan-products load app/demo_data/loan_products.toml
    """
    with administrator() as (services, cause):
        commands = read_loan_products(file)
        for command in commands:
            try:
                product = dispatch(services.store, command, cause)
            except DomainError as error:
                raise click.ClickException(f"{command.code}: {error.sentence}") from error
            click.echo(f"{product.code:<20} version {len(product.versions)}")


@loan_products.command("list")
def list_products() -> None:
    """Show each product: code, name, versions, and the newest terms in short.

    Example: daystar loan-products list
    """
    with administrator() as (services, cause):
        with services.pool.connection() as connection:
            rows = connection.execute(_SELECT_PRODUCTS).fetchall()
        for (stream_id,) in rows:
            product = UnitOfWork(services.store, cause).get(LoanProduct, stream_id)
            newest = product.versions[-1]
            terms = _in_short(LoanTerms.from_plain(newest["terms"]))
            version = f"version {len(product.versions)} from {newest['valid_from']}"
            click.echo(f"{product.code:<20} {product.name:<24} {version}  {terms}")


def _in_short(terms: LoanTerms) -> str:
    least, most = (
        text_from_cents(cents).removesuffix(".00")
        for cents in (terms.amount_cents_min, terms.amount_cents_max)
    )
    method = terms.interest_method.replace("_", " ")
    return (
        f"{least} to {most}, {terms.term_months_min} to {terms.term_months_max} months,"
        f" {terms.rate_percent} % a {terms.rate_period} ({method}),"
        f" fee {terms.fee_percent} %, late {terms.penalty_percent} %"
        f" after {terms.penalty_grace_days} days"
    )
