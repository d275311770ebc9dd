"""`/daystar/v1/members`: registering people, reaching them, holding them off, letting them go."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from flask import Response
from marshmallow import ValidationError, fields, validate, validates_schema

from app.auth import requires, services
from app.blueprint import Blueprint
from app.fields import StrictSchema, Text
from app.idempotent import cause, key_optional, run_once
from domain.api_keys.api_key import Permission
from domain.dates import business_day
from domain.members.commands import (
    ChangeContact,
    ExitMember,
    ReactivateMember,
    RegisterMember,
    SuspendMember,
)
from domain.members.errors import MemberNumberTaken
from domain.members.handlers import REASON_LENGTH_MAX
from domain.members.member import Member, MemberStatus
from infra import clock
from infra.numbers import next_member_number

DRAWS_MAX = 20

blueprint = Blueprint(
    "members", __name__, url_prefix="/daystar/v1", description="The lives of members."
)


class RegisterMemberBody(StrictSchema):
    """Who is to become a member. Without a member number the next free one is given."""

    member_number = Text(validate=validate.Length(3, 16))
    first_name = Text(
        required=True, validate=validate.Length(1, 60), metadata={"example": "Wanjiru"}
    )
    last_name = Text(required=True, validate=validate.Length(1, 60), metadata={"example": "Kamau"})
    phone = Text(required=True, validate=validate.Length(9, 24), metadata={"example": "0722000111"})
    email = Text(validate=validate.Length(3, 254), allow_none=True, load_default=None)
    id_number = Text(
        required=True, validate=validate.Length(5, 12), metadata={"example": "31234567"}
    )
    registration_date = fields.Date()


class RegisteredAnswer(StrictSchema):
    """The new member."""

    id = fields.UUID(required=True)
    member_number = fields.String(required=True)
    status = fields.String(required=True)
    registration_date = fields.Date(required=True)


class ContactBody(StrictSchema):
    """How a member is reached from now on. What is left out stays; a null e-mail takes it away."""

    phone = Text(validate=validate.Length(9, 24))
    email = Text(validate=validate.Length(3, 254), allow_none=True)

    @validates_schema
    def says_something(self, data: dict[str, Any], **_: Any) -> None:
        """A change of nothing is a mistake."""
        if not data:
            raise ValidationError("Give a phone, an email, or both.")


class ReasonBody(StrictSchema):
    """Why it is done."""

    reason = Text(required=True, validate=validate.Length(1, REASON_LENGTH_MAX))


class ExitBody(ReasonBody):
    """Why a member leaves, and when: today, where nothing else is said."""

    exit_date = fields.Date()


class MemberStandingAnswer(StrictSchema):
    """The member, and where their membership stands now."""

    id = fields.UUID(required=True)
    member_number = fields.String(required=True)
    status = fields.String(required=True)
    registration_date = fields.Date(required=True)


@blueprint.route("/members", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(RegisterMemberBody())
@blueprint.response(201, RegisteredAnswer)
@key_optional
def register_member(body: dict[str, Any]) -> Response:
    """Register a member and open their account."""
    if "member_number" in body:
        return _register(body, body["member_number"])
    for _ in range(DRAWS_MAX - 1):
        try:
            return _register(body, _drawn_number())
        except MemberNumberTaken:
            continue  # somebody was registered under it by hand; the next one is as good
    return _register(body, _drawn_number())


@blueprint.route("/members/<uuid:member_id>/contact", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(ContactBody())
@blueprint.response(200, MemberStandingAnswer)
@key_optional
def change_contact(body: dict[str, Any], member_id: UUID) -> Response:
    """Change a member's phone or e-mail."""
    email = body["email"] or "" if "email" in body else None
    return _changed(ChangeContact(member_id, phone=body.get("phone"), email=email))


@blueprint.route("/members/<uuid:member_id>/suspension", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(ReasonBody())
@blueprint.response(200, MemberStandingAnswer)
@key_optional
def suspend_member(body: dict[str, Any], member_id: UUID) -> Response:
    """Hold an active member off."""
    return _changed(SuspendMember(member_id, body["reason"], business_day(clock.now())))


@blueprint.route("/members/<uuid:member_id>/reactivation", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(ReasonBody())
@blueprint.response(200, MemberStandingAnswer)
@key_optional
def reactivate_member(body: dict[str, Any], member_id: UUID) -> Response:
    """End a member's suspension."""
    return _changed(ReactivateMember(member_id, body["reason"], business_day(clock.now())))


@blueprint.route("/members/<uuid:member_id>/exit", methods=["POST"])
@requires(Permission.OPERATE)
@blueprint.arguments(ExitBody())
@blueprint.response(200, MemberStandingAnswer)
@key_optional
def exit_member(body: dict[str, Any], member_id: UUID) -> Response:
    """Let a member go, of whose money nothing is left with us."""
    today = business_day(clock.now())
    day = body.get("exit_date", today)
    return _changed(ExitMember(member_id, body["reason"], exited_on=day, today=today))


def _changed(command: Any) -> Response:
    return run_once(command, answer=_answer, status=200, because=cause())


def _register(body: dict[str, Any], member_number: str) -> Response:
    today = business_day(clock.now())
    command = RegisterMember(
        member_id=uuid4(),
        member_number=member_number,
        first_name=body["first_name"],
        last_name=body["last_name"],
        phone=body["phone"],
        email=body["email"],
        national_id=body["id_number"],
        registered_on=body.get("registration_date", today),
        today=today,
    )
    return run_once(command, answer=_answer, status=201, because=cause())


def _drawn_number() -> str:
    prefix = services().settings.member_number_prefix
    year = business_day(clock.now()).year
    return next_member_number(services().pool, prefix=prefix, year=year)


def _answer(member: Member) -> dict[str, Any]:
    return {
        "id": str(member.id),
        "member_number": member.member_number,
        "status": MemberStatus(member.status).on_the_wire,
        "registration_date": member.registered_on,
    }
