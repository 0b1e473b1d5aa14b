"""Sign-in and sign-out. What happened is recorded by accounts.recording, whatever the door."""

from __future__ import annotations

from django.contrib.auth import logout, views
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe


class SignIn(views.LoginView):
    """Django's own view: it checks `next`, rotates the session key, and keeps the name that was typed."""

    template_name = "accounts/sign_in.html"
    redirect_authenticated_user = True


@login_required
@require_safe
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """In place of the admin's own page: one door for everybody, and none for who is in and has no business there."""
    if not getattr(request.user, "is_staff", False):
        raise Http404("There is no such page, or you may not see it.")
    return views.redirect_to_login(
        request.GET.get("next", reverse("admin:index")), reverse("accounts:sign_in")
    )


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return redirect("accounts:sign_in")
