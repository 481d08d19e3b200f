"""What can be set on a platform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Optional


@dataclass(frozen=True)
class Settings:
    """Limits of a platform, and how it behaves where there is a choice.

    Attributes:
        max_request_bytes: Longest body of an RPC request.
        max_data_bytes: Longest body of a request to the HTTP Data Interface.
        max_provision_bytes: Longest body of a provisioning request, but for content.
        max_keyless_bytes: Longest body of a request that comes without a key that is good.
        max_nesting: How deep lists and objects of a request may be nested.
        max_calls: Calls in one request.
        max_points: Points in one ``record`` or ``recordbatch``, and values in one
            ``writegroup``.
        max_answer_points: Points that the answer to one request has.
        max_answer_bytes: Bytes that the answer to one request has, roughly, but for content.
        max_work: Steps of work that one request causes: a value that is taken or passed on,
            each 256 characters of a long one, an operation of a ``preprocess``, a point
            that is looked for.
        max_preprocess: Operations in one ``preprocess``.
        max_description: Characters of one description, with all its texts, as JSON.
        max_tag: Characters in one tag.
        max_tags: Tags of one resource.
        max_text: Characters in one value of format ``string``.
        max_depth: Clients one below the other.
        max_ranges: Ranges of serial numbers in one model.
        replace_recorded: A point recorded at a second that has one replaces it; by default
            it is refused, and the old value stays.
        publish_recorded: Recorded points wake those who wait and go to subscribers and
            rules, as written ones do; by default they are only stored.
        requests_per_connection: Close a connection after so many requests, as the
            hosted service did after 100; None never does.
        synchronous: SQLite's setting of that name.
        max_content_bytes: Longest blob of content.
        strict_content_upload: Refuse to upload onto content that has a blob, as the
            documentation of the hosted service has it.
        max_data_text: Bytes in one value that comes over the HTTP Data Interface.
        public_ipv4: What ``/ip`` answers on IPv6 connections.
        autocreate: Make a dataport when a client writes to an alias or RID that is not there:
            ``float`` for a number, ``string`` for text.
        activation_window: Seconds in which a key that was not activated yet may be.
        allowed_hosts: Names by which the platform may be called, besides addresses as
            numbers, ``localhost`` and ``m2.exosite.com`` with what is below them. A
            request that names another host is refused.
    """

    max_request_bytes: int = 8 * 1024 * 1024
    max_data_bytes: int = 4 * 1024 * 1024
    max_provision_bytes: int = 8 * 1024 * 1024
    max_keyless_bytes: int = 64 * 1024
    max_nesting: int = 64
    max_calls: int = 10_000
    max_points: int = 100_000
    max_answer_points: int = 500_000
    max_answer_bytes: int = 32 * 1024 * 1024
    max_work: int = 1_000_000
    max_preprocess: int = 100
    max_description: int = 256 * 1024
    max_tag: int = 1024
    max_tags: int = 1000
    max_text: int = 1024 * 1024
    max_depth: int = 1000
    max_ranges: int = 1000
    replace_recorded: bool = False
    publish_recorded: bool = False
    requests_per_connection: Optional[int] = None
    synchronous: str = "FULL"
    max_content_bytes: int = 2 * 1024 * 1024 * 1024
    strict_content_upload: bool = False
    max_data_text: int = 64 * 1024
    public_ipv4: str = "127.0.0.1"
    autocreate: bool = False
    activation_window: int = 24 * 3600
    allowed_hosts: Sequence[str] = ()

    def called(self, host: str) -> Settings:
        """The same, for a platform that listens on a host: it goes by that name as well."""
        told = self.allowed_hosts
        names = (told,) if isinstance(told, str) else tuple(told)
        return replace(self, allowed_hosts=(*names, host))
