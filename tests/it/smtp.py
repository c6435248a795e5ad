"""A mail server: aiosmtpd, told what to demand. Prints its port, then every mail it takes, a line each.

smtp.py MODE CERTIFICATE KEY USER PASSWORD
  starttls   demands STARTTLS, then the login
  tls        speaks TLS from the first byte on, then demands the login
  plain      offers neither
Mail for nobody@… is refused. A wrong password is refused with an answer that repeats it.
"""
import asyncio
import base64
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

mode, certificate, key, user, password = sys.argv[1:]


class Keep:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = {
            "greeting": session.host_name,
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "login": session.auth_data.login.decode() if session.auth_data else None,
            "tls": server.transport.get_extra_info("cipher") is not None,
            "data": envelope.original_content.decode(),
        }
        print(json.dumps(mail), flush=True)
        return "250 2.0.0 taken"


def authenticate(server, session, envelope, mechanism, data):
    if data == LoginPassword(user.encode(), password.encode()):
        return AuthResult(success=True, auth_data=data)
    said = data.password.decode()
    coded = base64.b64encode(data.password).decode()
    return AuthResult(success=False, handled=False, message=f"535 5.7.8 {said} {coded} is wrong")


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    login = {"authenticator": authenticate, "auth_required": mode != "plain"}
    starttls = mode == "starttls"
    if starttls:
        login |= {"tls_context": context, "require_starttls": True}
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Keep(), auth_require_tls=starttls, **login),
        host="127.0.0.1",
        port=0,
        ssl=context if mode == "tls" else None,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
