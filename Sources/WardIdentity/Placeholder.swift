enum WardIdentityPlaceholder {}
