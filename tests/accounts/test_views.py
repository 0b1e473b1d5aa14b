from __future__ import annotations

import pytest

pytestmark = pytest.mark.django_db


def test_the_admin_sends_strangers_to_the_one_door(client):
    response = client.get("/admin/", follow=True)

    assert response.redirect_chain[-1][0].startswith("/sign-in/?next=/admin/")


def test_the_admin_has_no_door_for_who_has_no_business_there(client, bob):
    client.force_login(bob)

    assert client.get("/admin/", follow=True).status_code == 404


def test_the_admin_lets_staff_in(client, dora):
    client.force_login(dora)

    assert client.get("/admin/login/?next=/admin/", follow=True).redirect_chain[-1][0] == "/admin/"
