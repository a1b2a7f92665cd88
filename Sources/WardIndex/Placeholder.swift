enum WardIndexPlaceholder {}
