"""Who a viewer is: guests and their sessions, and the tokens that the server's secret signs."""
