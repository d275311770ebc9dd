from datetime import date, timedelta
from uuid import uuid4

import pytest

from domain.contributions.rules import ContributionType
from domain.errors import InvalidInput
from domain.members.errors import MemberNumberTaken, NationalIdTaken
from domain.members.member import Member
from tests.support.co_operative import TODAY
from tests.support.push_states import account


def test_registering_makes_a_member_and_an_empty_account(co_operative):
    member_id = co_operative.member(first_name="  Jane ", last_name="wa  Njeri")
    member = co_operative.load(Member, member_id)
    assert (member.first_name, member.last_name) == ("Jane", "wa Njeri")
    assert member.status == "active"
    opened = account(co_operative, member_id)
    assert opened.member_id == str(member_id)
    assert opened.contributed_cents == 0
    assert opened.balances_cents == {str(kind): 0 for kind in ContributionType}


def test_the_phone_is_kept_in_one_form(co_operative):
    member_id = co_operative.member(phone="+254 733 000 111")
    assert co_operative.load(Member, member_id).phone == "254733000111"


def test_a_family_may_share_a_phone(co_operative):
    co_operative.member(phone="0733000222")
    co_operative.member(phone="0733000222")


def test_a_member_number_is_given_once_whatever_its_capitals(co_operative):
    co_operative.member(member_number="DSTUNIQUE1")
    with pytest.raises(MemberNumberTaken):
        co_operative.member(member_number=" dstunique1 ")


def test_a_national_id_is_registered_once(co_operative):
    co_operative.member(national_id="A1234567")
    with pytest.raises(NationalIdTaken):
        co_operative.member(national_id="a1234567")


def test_a_refused_registration_leaves_nothing_behind(co_operative):
    co_operative.member(national_id="B7654321")
    with pytest.raises(NationalIdTaken):
        co_operative.member(member_number="DSTFREE1", national_id="B7654321")
    co_operative.member(member_number="DSTFREE1")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first_name", ""),
        ("first_name", "   "),
        ("first_name", "J" * 61),
        ("last_name", "Doe\x00"),
        ("last_name", "Doe\u202e"),
        ("last_name", "\ud800"),
        ("phone", "12345"),
        ("email", "no at sign"),
        ("email", "jane@localhost"),
        ("email", "jane@@example.org"),
        ("email", "jane doe@example.org"),
        ("email", "jane@example.org, joe@example.org"),
        ("email", "jane\x00@example.org"),
        ("email", "jane\u202e@example.org"),
        ("email", "jane@example.org\nBcc: all@example.org"),
        ("email", "j" * 65 + "@example.org"),
        ("member_number", "AB"),
        ("member_number", "A" * 17),
        ("member_number", "DST-1"),
        ("member_number", "DST٣٤"),
        ("national_id", "1234"),
        ("national_id", "1234567890123"),
        ("national_id", "12 345 678"),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_name_of_its_field(co_operative, field, value):
    with pytest.raises(InvalidInput) as refused:
        co_operative.member(**{field: value})
    assert refused.value.field == {"national_id": "id_number"}.get(field, field)


@pytest.mark.parametrize("email", [None, "", "   "])
def test_an_email_may_be_missing(co_operative, email):
    assert co_operative.load(Member, co_operative.member(email=email)).email is None


@pytest.mark.parametrize("name", ["Ng'ang'a", "Wanjikũ", "O'Brien-Atieno", "Ama'l علي"])
def test_names_of_all_peoples_are_welcome(co_operative, name):
    member_id = co_operative.member(last_name=name, email=" jane@mail.example.co.ke ")
    member = co_operative.load(Member, member_id)
    assert member.last_name == name
    assert member.email == "jane@mail.example.co.ke"


@pytest.mark.parametrize("day", [TODAY + timedelta(days=1), date(1999, 12, 31)])
def test_nobody_registers_tomorrow_or_before_the_books_began(co_operative, day):
    with pytest.raises(InvalidInput) as refused:
        co_operative.member(registered_on=day)
    assert refused.value.field == "registration_date"


@pytest.mark.parametrize("day", [TODAY, date(2000, 1, 1)])
def test_today_and_the_first_day_of_the_books_are_fine(co_operative, day):
    member_id = co_operative.member(registered_on=day)
    assert co_operative.load(Member, member_id).registered_on == day.isoformat()


def test_a_member_is_not_found_under_the_id_of_an_account(co_operative):
    opened = account(co_operative, co_operative.member())
    with pytest.raises(Exception, match="no such thing"):
        co_operative.load(Member, opened.id)
    with pytest.raises(Exception, match="no such thing"):
        co_operative.load(Member, uuid4())
