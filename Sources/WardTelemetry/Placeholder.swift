enum WardTelemetryPlaceholder {}
