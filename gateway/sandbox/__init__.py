"""Where code that a model wrote is executed: a locked-down process. Off unless ``TOLLGATE_SANDBOX`` says how."""

from gateway.sandbox.execution import execute, execute_with, is_configured
from gateway.sandbox.values import File, GivenTooMuch, Outcome, SandboxFailed, free_name

__all__ = ["File", "GivenTooMuch", "Outcome", "SandboxFailed", "execute", "execute_with", "free_name", "is_configured"]
