"""What a database refuses: the password, the role, the database, the rights, the certificate.

Words: PostgreSQL 18 (auth.c, crypt.c, auth-scram.c, postinit.c, aclchk.c), libpq 18, OpenSSL 3 as
Python's ssl and psycopg 3.3 print it. A wrong password under SCRAM has no DETAIL but for the line
of pg_hba.conf that matched; a missing role has one that says so.
"""

from __future__ import annotations

from crashloop.diagnosis.cause import Cause, InLogs
from crashloop.diagnosis.signs import answered, error, restarts, server_log

_REFUSED = r'^password authentication failed for user "'
_REFUSED_BY_APP = r'password authentication failed for user "'
# libpq gives no reason; the others are X509_verify_cert_error_string's.
_OF_CA = r"self[- ]signed certificate|unable to (?:get|verify) |invalid CA certificate"

CAUSES = (
    Cause(
        id="wrong-password",
        title="the app's password is not the role's",
        meaning="The database has the role, and refuses the password that the app gives.",
        in_logs=InLogs(
            decides=(
                answered(
                    "the server knows the role, and the password does not match",
                    message=_REFUSED,
                    detail=r"^(?:Password does not match for user|Connection matched )",
                ),
            ),
            points=(
                error("the app's password was refused", message=_REFUSED_BY_APP),
                error("the app was refused with 28P01", sqlstates=("28P01",)),
            ),
            refutes=(
                answered(
                    "the role does not exist", message=_REFUSED, detail=r'^Role ".*" does not exist'
                ),
            ),
            next="the secret that this revision reads, and who changed the role's password last",
        ),
    ),
    Cause(
        id="missing-role",
        title="the role that the app logs in as does not exist",
        meaning="The database has no role of that name; the password was never compared.",
        in_logs=InLogs(
            decides=(
                answered(
                    "the server has no such role",
                    message=_REFUSED,
                    detail=r'^Role ".*" does not exist',
                ),
                error(
                    "the role does not exist: 28000",
                    sqlstates=("28000",),
                    message=r'role "[^"]*" does not exist',
                ),
                error("the role does not exist", message=r'FATAL: +role "[^"]*" does not exist'),
            ),
            points=(
                error("the app was refused with 28P01", sqlstates=("28P01",)),
                error("the app's password was refused", message=_REFUSED_BY_APP),
            ),
            refutes=(
                answered(
                    "the role exists, and the password does not match",
                    message=_REFUSED,
                    detail=r"^(?:Password does not match for user|Connection matched )",
                ),
            ),
            next="the roles of the server (\\du): an old volume keeps those of its first start",
        ),
    ),
    Cause(
        id="missing-database",
        title="the database that the app asks for does not exist",
        meaning="The server answers, and has no database of that name.",
        in_logs=InLogs(
            decides=(
                error("the database does not exist: 3D000", sqlstates=("3D000",)),
                error("the database does not exist", message=r'database "[^"]*" does not exist'),
            ),
            points=(restarts(),),
            next="the databases of the server (\\l): an old volume keeps those of its first start",
        ),
    ),
    Cause(
        id="no-rights-in-the-schema",
        title="the role may not create or read what it needs",
        meaning="The app is connected, and the role lacks a right (SQLSTATE 42501).",
        in_logs=InLogs(
            decides=(
                error(
                    "a right is missing",
                    message=r"permission denied for (?:schema|table|sequence|database|function) ",
                ),
            ),
            points=(
                error("42501", types=("InsufficientPrivilege", "InsufficientPrivilegeError")),
                restarts(),
            ),
            next="the owner of the schema: since PostgreSQL 15 only it may create in public",
        ),
    ),
    Cause(
        id="read-only-database",
        title="the database takes no writes",
        meaning="The app's session is read-only: a standby, or a setting (SQLSTATE 25006).",
        in_logs=InLogs(
            decides=(
                error("a write met a read-only transaction: 25006", sqlstates=("25006",)),
                error("a write was refused", message=r"cannot execute .* in a read-only"),
            ),
            points=(restarts(),),
            next="SELECT pg_is_in_recovery() and SHOW default_transaction_read_only there",
        ),
    ),
    Cause(
        id="tls-required",
        title="the database takes no connection without TLS",
        meaning="The server has no rule in pg_hba.conf for a connection without encryption.",
        in_logs=InLogs(
            decides=(
                error(
                    "no rule for a connection without encryption",
                    message=r"no pg_hba\.conf entry for .*, no encryption",
                ),
            ),
            points=(restarts(),),
            refutes=(
                error(
                    "there is no rule with encryption either",
                    message=r"no pg_hba\.conf entry for .*, SSL encryption",
                ),
                server_log(
                    "there is no rule with encryption either",
                    message=r"^no pg_hba\.conf entry for .*, SSL encryption",
                ),
            ),
            next="the client's sslmode, and the server's demand for TLS (rds.force_ssl, hostssl)",
        ),
    ),
    Cause(
        id="tls-not-offered",
        title="the app demands TLS, and the database offers none",
        meaning="The client's sslmode is require or stricter, and the server speaks without TLS.",
        in_logs=InLogs(
            decides=(
                error(
                    "the server offers no TLS",
                    message=r"server does not support SSL, but SSL was required",
                ),
            ),
            points=(
                # asyncpg says so, too, of what is no Postgres at all, and where TLS is optional.
                error("TLS was refused", message=r"PostgreSQL server at .* rejected SSL upgrade"),
                restarts(),
            ),
            next="whether the connection goes to the server itself: a pooler or proxy may end TLS",
        ),
    ),
    Cause(
        id="private-ca",
        title="the server's certificate is signed by a CA that the app does not trust",
        meaning="TLS began, and the certificate could not be verified: its CA is in no store that "
        "the app uses.",
        in_logs=InLogs(
            decides=(
                error(
                    "no trusted CA signed the certificate",
                    message=rf"certificate verify failed: (?:{_OF_CA})",
                ),
                error(
                    "libpq could not verify the certificate, for which it gives no reason",
                    message=r"certificate verify failed(?!:)",
                ),
                error(
                    "the file of the trusted CAs is not there",
                    message=r'root certificate file ".*" does not exist',
                ),
            ),
            points=(
                error(
                    "the CA is unknown", message=r"self[- ]signed certificate|issuer certificate"
                ),
                restarts(),
            ),
            next="the CA bundle of the provider in the image, the path in sslrootcert, and the "
            "certificate's dates, of which libpq says nothing",
        ),
    ),
    Cause(
        id="certificate-does-not-fit",
        title="the server's certificate has expired, or is of another name",
        meaning="TLS began, and the certificate is not valid for this host at this time.",
        in_logs=InLogs(
            decides=(
                error(
                    "the certificate is not valid here and now",
                    message=r"certificate verify failed: (?:certificate has expired|"
                    r"certificate is not yet valid|Hostname mismatch|IP address mismatch)"
                    r'|server certificate for ".*".* does not match host name',
                ),
            ),
            points=(restarts(),),
            next="the certificate's names and dates: openssl s_client -starttls postgres",
        ),
    ),
)
