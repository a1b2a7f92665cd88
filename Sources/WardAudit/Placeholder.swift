enum WardAuditPlaceholder {}
