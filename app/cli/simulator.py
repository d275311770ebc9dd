"""The process that pretends to be Safaricom."""

from __future__ import annotations

import click

from infra.errors import SettingsError
from infra.logs import configure_logs
from infra.mpesa.settings import simulator_credentials
from infra.mpesa.simulator.certificate import key_and_certificate
from infra.mpesa.simulator.server import serve
from infra.mpesa.simulator.settings import SimulatorSettings
from infra.settings import read_settings


@click.command()
def simulator() -> None:
    """Pretend to be Safaricom's Daraja (demo only).

    Example: DAYSTAR_SIMULATOR_PORT=8090 daystar simulator
    """
    configure_logs(process="simulator")
    settings = read_settings()
    if not settings.is_demo:
        raise SettingsError("The simulator runs in the demo only; this is production.")
    credentials = simulator_credentials(settings.simulator_port)
    serve(
        SimulatorSettings(
            consumer_key=credentials.consumer_key,
            consumer_secret=credentials.consumer_secret,
            short_code=credentials.short_code,
            pass_key=credentials.pass_key,
            private_key_pem=key_and_certificate(settings.data_directory),
        ),
        "127.0.0.1",
        settings.simulator_port,
    )
