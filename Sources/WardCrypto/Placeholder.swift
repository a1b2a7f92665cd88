enum WardCryptoPlaceholder {}
