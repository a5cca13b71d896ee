"""A FastAPI chat service that starts in seven fixed phases, as the service of the audit did.

Run it with `uvicorn app_under_test.main:app`. It takes every setting from `APP_*` variables and
does not depend on the harness.
"""
