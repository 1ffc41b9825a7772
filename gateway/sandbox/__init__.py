"""Where code that a model wrote is executed: a locked-down process. Off unless ``TOLLGATE_SANDBOX`` says how."""

from gateway.sandbox.execution import execute, is_configured
from gateway.sandbox.values import File, GivenTooMuch, Outcome, SandboxFailed

__all__ = ["File", "GivenTooMuch", "Outcome", "SandboxFailed", "execute", "is_configured"]
