"""A FastAPI chat service that starts in seven fixed phases, as the service of the audit did.

It runs alone (`uvicorn app_under_test.main:app`), takes every setting from `APP_*` variables and
knows nothing of the harness that may be watching it.
"""
