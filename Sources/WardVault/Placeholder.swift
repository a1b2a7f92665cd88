enum WardVaultPlaceholder {}
