"""Sign-in and sign-out. What happened is recorded by accounts.recording, which the admin's own sign-in passes too."""

from __future__ import annotations

from django.contrib.auth import logout, views
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST


class SignIn(views.LoginView):
    """Django's own view: it checks `next`, rotates the session key, and keeps the name that was typed."""

    template_name = "accounts/sign_in.html"
    redirect_authenticated_user = True


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("accounts:sign_in")
