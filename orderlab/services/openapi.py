"""The contract of the Orders API as OpenAPI 3.1; a fuzzer holds the running service to it."""

OPENAPI: dict[str, object] = {"openapi": "3.1.0", "info": {"title": "Orders API", "version": "1"}, "paths": {}}
