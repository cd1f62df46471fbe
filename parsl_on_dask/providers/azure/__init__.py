"""Workers of Microsoft's Azure."""
