enum WardSQLitePlaceholder {}
