"""Drawings and journals in forms that other tools read: Mermaid, PlantUML, Perfetto, OTLP. Standard library only."""
