"""All settings together."""

from __future__ import annotations

from dataclasses import dataclass, field

from tracd_cluster.settings.admin import AdminSettings
from tracd_cluster.settings.auth import AuthSettings
from tracd_cluster.settings.cache import CacheSettings
from tracd_cluster.settings.clients import ClientSettings
from tracd_cluster.settings.foreign import ForeignSettings
from tracd_cluster.settings.front import FrontSettings
from tracd_cluster.settings.kinds import KindsSettings
from tracd_cluster.settings.log import LogSettings
from tracd_cluster.settings.pool import PoolSettings
from tracd_cluster.settings.process import ProcessSettings
from tracd_cluster.settings.static import StaticSettings
from tracd_cluster.settings.traffic import TrafficSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the command line and the configuration file say."""

    front: FrontSettings
    pool: PoolSettings
    auth: AuthSettings = field(default_factory=AuthSettings)
    foreign: ForeignSettings = field(default_factory=ForeignSettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    clients: ClientSettings = field(default_factory=ClientSettings)
    process: ProcessSettings = field(default_factory=ProcessSettings)
    admin: AdminSettings = field(default_factory=AdminSettings)
    log: LogSettings = field(default_factory=LogSettings)
    static: StaticSettings = field(default_factory=StaticSettings)
    traffic: TrafficSettings = field(default_factory=TrafficSettings)
    kinds: KindsSettings = field(default_factory=KindsSettings)
    warnings: tuple[str, ...] = ()
    """What the operator should hear at the start."""
