"""The options of HTTPS: certificates, ports, and what browsers and clients are told and asked."""

from __future__ import annotations

from tracd_cluster.configuration import values
from tracd_cluster.configuration.option import Option, flag

HTTPS: tuple[Option, ...] = (
    Option(
        names=("--certfile",), group="https", read=values.existing_file, metavar="FILE", is_path=True,
        help="certificate and what leads to its root, PEM, for https", tracds=True,
    ),
    Option(
        names=("--keyfile",), group="https", read=values.existing_file, metavar="FILE", is_path=True,
        help="the certificate's key, PEM", shown="in the certfile", tracds=True,
    ),
    Option(
        names=("--cert-dir",), group="https", read=values.existing_folder, metavar="DIR", is_path=True,
        help="certificates for several names, each with its key, as certbot lays them out; chosen by name",
    ),
    Option(
        names=("--demo-cert",), group="https", read=values.path, metavar="DIR", is_path=True,
        help="make a certificate for localhost to try things out, signed by nobody, and keep it in this folder",
    ),
    Option(
        names=("--key-passphrase-file",), group="https", read=values.existing_file, metavar="FILE", is_path=True,
        help="opens encrypted keys: the passphrase is its first line",
    ),
    Option(
        names=("--https-port",), group="https", read=values.port, metavar="N",
        help="HTTPS at this port of the -b addresses, beside plain HTTP",
    ),
    flag("--redirect-http", group="https", text="answer plain HTTP with the address of the same page by HTTPS"),
    Option(
        names=("--hsts",), group="https", read=values.lasting, metavar="SECONDS", default=0, shown="not said",
        help="tell browsers to come by HTTPS only, for so long",
    ),
    Option(
        names=("--client-ca",), group="https", read=values.existing_file, metavar="FILE", is_path=True,
        help="ask clients for a certificate signed by one of these, PEM",
    ),
    Option(
        names=("--client-cert",), group="https", read=values.client_cert, metavar="HOW", default="require",
        help="with --client-ca: require a client's certificate, or have it optional", shown="require",
    ),
    Option(
        names=("--client-cert-user",), group="https", read=values.client_cert_user, metavar="PART",
        help="with --client-ca: who the user is, by the certificate's cn, email or dns", shown="nobody",
    ),
)  # fmt: skip
